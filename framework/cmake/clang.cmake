# Toolchain: the newest clang that this project is checked with, or the distribution's own.
find_program(CMAKE_CXX_COMPILER NAMES clang++-19 clang++ REQUIRED)
string(REPLACE "clang++" "clang" CMAKE_C_COMPILER "${CMAKE_CXX_COMPILER}")
# A hundred programs are linked with sanitizers: a linker that takes a quarter of the time, where it is installed.
string(REGEX REPLACE ".*/clang\\+\\+" "ld.lld" linkerName "${CMAKE_CXX_COMPILER}")
find_program(TROUPE_LLD NAMES ${linkerName} ld.lld)
if(TROUPE_LLD)
  set(CMAKE_EXE_LINKER_FLAGS_INIT "--ld-path=${TROUPE_LLD}")
endif()
