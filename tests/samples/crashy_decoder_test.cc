// The sample crashy_decoder over folders of pictures, among them such as do harm.
#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/sanitized.h"
#include "tests/support/scratch.h"

namespace tests {
namespace {

namespace fs = std::filesystem;

// A picture begins with its signature and the chunk IHDR: length, type, width, height, five bytes, checksum.
constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kHeaderBytes = 25;

std::string bigEndian(std::uint32_t number) {
  std::string bytes(4, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(number >> 24);
    number <<= 8;
  }
  return bytes;
}

// `length`: what it says of itself, where that is a lie.
std::string chunk(const std::string& type, const std::string& data,
                  std::optional<std::uint32_t> length = {}) {
  const std::string content = type + data;
  const auto sum =
      ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return bigEndian(length.value_or(static_cast<std::uint32_t>(data.size()))) + content +
         bigEndian(static_cast<std::uint32_t>(sum));
}

// A good one, with a chunk more behind its header.
std::string picture(unsigned width, unsigned height, const std::string& more = {}) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_GRAY;
  const std::vector<unsigned char> pixels(std::size_t{width} * height, 128);
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(bytes, '\0');
  if (png_image_write_to_memory(&image, file.data(), &bytes, 0, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(image.message);
  file.resize(bytes);
  return file.insert(kSignatureBytes + kHeaderBytes, more);
}

std::string wordsOf(unsigned count) {
  std::string text = "Comment:";
  for (unsigned i = 1; i < count; ++i) text += " word";
  return chunk("tEXt", text);
}

// Says of itself that it is 600 MB large.
std::string bomb() {
  std::string file = picture(8, 8);
  const std::string rest = file.substr(kSignatureBytes + 16, 5);
  return file.replace(kSignatureBytes, kHeaderBytes,
                      chunk("IHDR", bigEndian(12'000) + bigEndian(12'000) + rest));
}

class CrashyDecoderTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized)
      GTEST_SKIP() << "sanitizers find what the decoder does wrong, and take more memory than it may";
  }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  // Its lines, in any order.
  std::multiset<std::string> decode() {
    Program decoder(samplePath("crashy_decoder"), {folder_.path()});
    const auto end = decoder.waitForEnd();
    EXPECT_TRUE(end && !end->signaled && end->code == 0) << decoder.errors();
    EXPECT_EQ(describe(decoder.leftovers()), "");
    std::multiset<std::string> lines;
    std::istringstream output(decoder.output());
    for (std::string line; std::getline(output, line);) {
      // As the machine is set up.
      if (const auto at = line.find(" (core dumped)"); at != std::string::npos) line.erase(at, 14);
      lines.insert(line);
    }
    return lines;
  }
  std::size_t filesIn(const std::string& folder) const {
    const auto isFile = [](const fs::directory_entry& each) { return each.is_regular_file(); };
    return static_cast<std::size_t>(std::ranges::count_if(fs::directory_iterator(folder), isFile));
  }

  Scratch folder_;
};

TEST_F(CrashyDecoderTest, AThousandFilesGiveAResultOrTheTrueErrorEach) {
  std::multiset<std::string> expected;
  const auto add = [&](const std::string& name, const std::string& content, const std::string& result) {
    write(name, content);
    expected.insert(name + ": " + result);
  };
  for (unsigned i = 0; i < 930; ++i) {
    const unsigned width = 10 + i % 50;
    const unsigned height = 5 + i % 30;
    const unsigned words = i % 7;
    add("good_" + std::to_string(i) + ".png", picture(width, height, words == 0 ? "" : wordsOf(words)),
        std::to_string(width) + " x " + std::to_string(height) + ", " + std::to_string(words) + " words");
  }
  const std::string segv = "killed by SIGSEGV";
  const std::string cpu = "took more processor time than its limit: 200ms for a message";
  const std::string memory = "asked for more memory than its limit: 268435456 bytes";
  for (unsigned i = 0; i < 50; ++i)
    add("crash_" + std::to_string(i) + ".png", picture(20, 20, chunk("tEXt", "long", 0x40000000)), segv);
  for (unsigned i = 0; i < 10; ++i) {
    add("loop_" + std::to_string(i) + ".png", picture(20, 20, chunk("loOp", "", 0xfffffff4)), cpu);
    add("bomb_" + std::to_string(i) + ".png", bomb(), memory);
  }
  expected.insert({"930 files: decoded", "50 files: " + segv, "10 files: " + cpu, "10 files: " + memory});

  EXPECT_EQ(decode(), expected);
  EXPECT_EQ(filesIn(folder_.path()), 930U);
  EXPECT_EQ(filesIn(folder_ / "quarantine"), 70U);

  // With those out of the way, all is well.
  EXPECT_EQ(decode().count("930 files: decoded"), 1U);
}

TEST_F(CrashyDecoderTest, WhatIsOnlyDamagedIsRefusedAndStaysWhereItIs) {
  std::string broken = picture(30, 30);
  broken[kSignatureBytes + 20] ^= 1;
  write("broken.png", broken);
  write("cut.png", picture(30, 30).substr(0, 60));
  write("empty.png", "");
  write("letter.png", "Dear decoder, this is not a picture, but it is long enough to be looked into.");
  write("good.png", picture(30, 30));

  const auto lines = decode();

  EXPECT_EQ(lines.count("good.png: 30 x 30, 0 words"), 1U) << testing::PrintToString(lines);
  EXPECT_EQ(lines.count("1 files: decoded"), 1U);
  EXPECT_EQ(lines.count("4 files: not decoded, and no harm done"), 1U) << testing::PrintToString(lines);
  EXPECT_EQ(filesIn(folder_.path()), 5U);
}

}  // namespace
}  // namespace tests
