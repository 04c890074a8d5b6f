# "sluice/base/version.h", in the build tree: version, commit and compiler of this build.
#
# A custom target writes it at every build, not only at configure time, so that the commit is never
# stale; it is touched only when its content changed. A build without the repository (Docker) gives
# the commit in the environment variable SLUICE_COMMIT.
set(SLUICE_GENERATED_INCLUDE "${PROJECT_BINARY_DIR}/include")
set(version_arguments
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "-DVERSION=${PROJECT_VERSION}"
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    "-DTEMPLATE=${PROJECT_SOURCE_DIR}/cmake/version.h.in"
    "-DOUTPUT=${SLUICE_GENERATED_INCLUDE}/sluice/base/version.h")

add_custom_target(
  sluice_version
  COMMAND "${CMAKE_COMMAND}" ${version_arguments} -P "${PROJECT_SOURCE_DIR}/cmake/WriteVersion.cmake"
  BYPRODUCTS "${SLUICE_GENERATED_INCLUDE}/sluice/base/version.h"
  COMMENT "Version of this build"
  VERBATIM)
