# Read by ctest: each suite of the unit tests is one test "unit.<suite>". One process for each
# single test would spend more time on starting than on testing, under a sanitizer several times as
# much. GoogleTest's own lines in the output tell the tests apart; scripts/test counts those.
#
# `program` holds the tests; they run in `folder` with `environment`.
if(NOT EXISTS "${program}")
  add_test(unit_tests_NOT_BUILT "${program}")
  return()
endif()
execute_process(
  COMMAND "${program}" --gtest_list_tests
  WORKING_DIRECTORY "${folder}"
  TIMEOUT 120
  OUTPUT_VARIABLE listed
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${program} does not list its tests: ${result}\n${listed}")
endif()

# "Suite." at the beginning of a line, which holds at most a comment more; its tests are indented.
string(REGEX MATCHALL "\n[^ \n]+\\.( +#[^\n]*)?\n" headings "\n${listed}")
foreach(heading IN LISTS headings)
  string(REGEX REPLACE "^\n([^ \n]+)\\..*$" "\\1" suite "${heading}")
  add_test("unit.${suite}" "${program}" "--gtest_filter=${suite}.*")
  set_tests_properties(
    "unit.${suite}" PROPERTIES TIMEOUT 300 PROCESSORS 4 WORKING_DIRECTORY "${folder}"
                               ENVIRONMENT "${environment}")
endforeach()
