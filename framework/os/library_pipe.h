// The pipe that libuv holds for itself, and why children must not close it.
//
// libuv makes one pipe for each process, and, from a handler inside fork(), closes it in the child and makes
// another. A child that closed that one with all it does not know would leave libuv with two numbers that
// soon belong to other descriptors, and the child's own next fork() would close those in the grandchild. So
// it is known here which numbers the pipe has in this process, and settleChild() keeps them.
//
// Threads: as forking: the main thread.
#pragma once

#include <array>
#include <functional>
#include <vector>

namespace troupe::os {

// To be called before libuv is used for the first time. `start` makes it ready, and says which other
// descriptors libuv has opened meanwhile. From the second call on only `start` is called.
void trackLibraryPipe(const std::function<std::vector<int>()>& start);

// The numbers of both ends; -1 where no such pipe is known.
std::array<int, 2> libraryPipe();

}  // namespace troupe::os
