add_executable(bench_seals EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/seals_bench.cc)
target_link_libraries(bench_seals road_identity_dkim road_identity_domainkeys road_identity_arc OpenSSL::Crypto)
target_compile_definitions(bench_seals PRIVATE PEERS="${CMAKE_CURRENT_LIST_DIR}/seals_peer")
