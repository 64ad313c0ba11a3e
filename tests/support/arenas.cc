#include "tests/support/arenas.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "wire/arena_view.h"

namespace tests {

namespace {

std::size_t blocksIn(const std::string& file, std::size_t bytes) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) return 0;
  std::size_t blocks = 0;
  const troupe::wire::ArenaView view({static_cast<std::byte*>(memory), bytes});
  view.forEach([&blocks](const troupe::wire::ArenaView::Block&) { ++blocks; });
  ::munmap(memory, bytes);
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
    arenas.blocks += blocksIn(each.path(), static_cast<std::size_t>(status.st_size));
  }
  return arenas;
}

bool areEmpty(const Arenas& arenas) {
  return arenas.blocks == 0 && arenas.kiB <= arenas.touched * troupe::wire::kArenaPage / 1024;
}

}  // namespace tests
