# Script run by the target sluice_version (Version.cmake), which passes SOURCE_DIR, VERSION,
# COMPILER, TEMPLATE and OUTPUT.
set(COMMIT "$ENV{SLUICE_COMMIT}")
if(NOT COMMIT)
  execute_process(
    COMMAND git describe --always --dirty --abbrev=12 --exclude=*
    WORKING_DIRECTORY "${SOURCE_DIR}"
    OUTPUT_VARIABLE COMMIT
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT COMMIT)
  set(COMMIT "unknown")
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
