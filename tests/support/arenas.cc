#include "tests/support/arenas.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tests/support/puppet.h"
#include "wire/arena_view.h"

namespace tests {

namespace {

// Of a copy: who looks at memory of a shared file where there is none, by a mapping, gives it a page.
std::size_t blocksIn(const std::string& file, std::size_t bytes) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    ::close(fd);
    return 0;
  }
  std::size_t blocks = 0;
  const troupe::wire::ArenaView view({static_cast<std::byte*>(memory), bytes});
  if (::pread(fd, memory, view.dataStart(), 0) == static_cast<ssize_t>(view.dataStart()))
    view.forEach([&blocks](const troupe::wire::ArenaView::Block&) { ++blocks; });
  ::munmap(memory, bytes);
  ::close(fd);
  return blocks;
}

}  // namespace

Arenas arenasOf(pid_t root) {
  Arenas arenas;
  std::error_code error;
  for (const auto& each :
       std::filesystem::directory_iterator("/proc/" + std::to_string(root) + "/fd", error)) {
    const auto target = std::filesystem::read_symlink(each.path(), error);
    struct stat status = {};
    if (!target.string().starts_with("/memfd:troupe-arena") || ::stat(each.path().c_str(), &status) != 0 ||
        status.st_blocks == 0)
      continue;
    ++arenas.touched;
    arenas.kiB += static_cast<std::size_t>(status.st_blocks) / 2;
    // There is no block where there is no table.
    if (static_cast<std::size_t>(status.st_blocks) * 512 > troupe::wire::kArenaPage)
      arenas.blocks += blocksIn(each.path(), static_cast<std::size_t>(status.st_size));
  }
  return arenas;
}

bool areEmpty(const Arenas& arenas) {
  return arenas.blocks == 0 && arenas.kiB <= arenas.touched * troupe::wire::kArenaPage / 1024;
}

std::string describe(const Arenas& arenas) {
  return std::to_string(arenas.blocks) + " blocks and " + std::to_string(arenas.kiB) + " KiB in " +
         std::to_string(arenas.touched) + " arenas";
}

Task<> becomesEmpty(Self& self) {
  const pid_t root = ::getppid();
  std::exception_ptr inVain;
  try {
    co_await until(self, "the memory of all messages is given back",
                   [root] { return areEmpty(arenasOf(root)); });
  } catch (const std::runtime_error& error) {
    inVain = std::make_exception_ptr(std::runtime_error(error.what() + (": " + describe(arenasOf(root)))));
  }
  if (inVain) std::rethrow_exception(inVain);
}

}  // namespace tests
