# Mails signed by the peers that are installed, checked by us, and ours checked by them.
if(SEKISHO_TESTS AND NOT SEKISHO_FUZZ)
  add_executable(dkim_driver ${CMAKE_CURRENT_LIST_DIR}/dkim_driver.cc)
  target_link_libraries(dkim_driver road_identity_dkim road_identity_arc road_identity_domainkeys)
  set_target_properties(dkim_driver PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME interop/dkim COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/dkim_interop.py $<TARGET_FILE:dkim_driver>)
  set_tests_properties(interop/dkim PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
  add_test(NAME cases/dkim COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/dkim_cases.py $<TARGET_FILE:dkim_driver>
    ${CMAKE_SOURCE_DIR}/../shared/cases/dkim.json)
  set_tests_properties(cases/dkim PROPERTIES SKIP_RETURN_CODE 77)
endif()
