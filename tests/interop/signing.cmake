# The table of signing keys: what `sign -c` makes is verified by the peers that are installed.
if(SEKISHO_TESTS AND NOT SEKISHO_FUZZ)
  add_test(NAME interop/signing COMMAND /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/signing.py $<TARGET_FILE:sekisho>)
  set_tests_properties(interop/signing PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300
    ENVIRONMENT "SEKISHO_COMMANDS=${CMAKE_SOURCE_DIR}/build/release/sekisho")
endif()
