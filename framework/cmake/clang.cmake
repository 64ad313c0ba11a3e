# Toolchain: the newest clang that this project is checked with, or the distribution's own.
find_program(CMAKE_CXX_COMPILER NAMES clang++-19 clang++ REQUIRED)
