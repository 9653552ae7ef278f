add_executable(bench_dns EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/dns_bench.cc)
target_link_libraries(bench_dns base_dns resolv)
