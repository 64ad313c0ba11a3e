// An unreliable function over a folder of files, some of them damaged, some made to do harm: crashy_decoder FOLDER. A file that kills
// its worker, or takes too much of anything, is tried once more and then moved to FOLDER/quarantine; all others are decoded.
#include <png.h>
#include <troupe/troupe.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "decoder.actor.h"

using namespace std::chrono_literals;
using namespace troupe::literals;
namespace fs = std::filesystem;

using Bytes = std::vector<unsigned char>;

// The words of a PNG's comment. Written without a thought of what a file may say, as such functions are: it believes the length of a
// comment, and reads on far behind the file (SIGSEGV); and where another chunk's length is 2^32 - 12, it looks at that chunk for ever.
std::uint32_t wordsIn(const Bytes& file) {
  for (std::uint32_t at = 8; at + 8 < file.size();) {
    const unsigned char* const chunk = file.data() + at;
    const std::uint32_t length = png_get_uint_32(chunk);
    if (std::equal(chunk + 4, chunk + 8, "tEXt"))
      return 1 + static_cast<std::uint32_t>(std::count(chunk + 8, chunk + 8 + length, ' '));
    at += length + 12;
  }
  return 0;
}

class PngDecoder final : public troupe::Actor<PngDecoder, Decoder> {
 public:
  void decode(DecodeParams in, DecodeResults out) {
    std::ifstream stream(in.getPath().cStr(), std::ios::binary);
    const Bytes file(std::istreambuf_iterator<char>(stream), {});
    out.setWords(wordsIn(file));
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0)
      return out.refuse(image.message);
    image.format = PNG_FORMAT_RGBA;
    Bytes pixels(
        PNG_IMAGE_SIZE(image));  // as large as the file says that the picture is, however small the file
    if (png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0)
      return out.refuse(image.message);
    out.setWidth(image.width);
    out.setHeight(image.height);
  }
};

std::vector<std::string> filesIn(const fs::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  return paths;
}

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  const troupe::Limits limits{.memory = 256_MiB, .cpuPerMessage = 200ms, .wallPerMessage = 30s};
  app.pool<PngDecoder>("decoders",
                       {.onCrash = troupe::OnCrash::retry(1), .limits = limits, .recycleAfter = 100});
  app.main([&](troupe::Self& self) -> troupe::Task<> {
    if (argc != 2) throw std::invalid_argument("usage: crashy_decoder FOLDER");
    const fs::path quarantine = fs::path(argv[1]) / "quarantine";
    fs::create_directories(quarantine);
    const auto decoders = (co_await self.find<Decoder>("decoders")).within(10min);
    auto results =
        troupe::map(filesIn(argv[1]), [&](const std::string& path) { return decoders.decode(path); });
    std::map<std::string, int> report;
    while (auto result = co_await results.next()) {
      const fs::path file = result->input();
      std::cout << file.filename().string() << ": ";
      if (result->ok()) {
        const auto& image = **result;
        std::cout << image.getWidth() << " x " << image.getHeight() << ", " << image.getWords() << " words"
                  << std::endl;
        ++report["decoded"];
      } else if (result->error().kind() == troupe::ErrorKind::crashed) {
        const std::string reason = result->error().exitReason().toString();
        std::cout << reason << std::endl;
        ++report[reason];
        fs::rename(file, quarantine / file.filename());
      } else {
        std::cout << result->error().what() << std::endl;
        ++report["not decoded, and no harm done"];
      }
    }
    for (const auto& [what, files] : report) std::cout << files << " files: " << what << std::endl;
  });
  return app.run();
}
