# ARC and DomainKeys: what we sign is verified by the peers that are installed, what they sign by us.
if(SEKISHO_TESTS AND NOT SEKISHO_FUZZ)
  add_test(NAME interop/seals COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/seals.py $<TARGET_FILE:sekisho>)
  set_tests_properties(interop/seals PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300
    ENVIRONMENT "SEKISHO_COMMANDS=${CMAKE_SOURCE_DIR}/build/release/sekisho")
endif()
