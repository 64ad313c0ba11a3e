// Counts the words of files, as wc -w does, with a worker on each core: word_count FILE...
//
// A worker that dies costs nothing but time: the file that it had in hand is counted by another. A file that can't be read is an error
// among the results, and the others are counted all the same.
#include <troupe/troupe.h>

#include <array>
#include <cctype>
#include <fstream>
#include <iostream>

#include "words.actor.h"

using namespace std::chrono_literals;

class WordCounter final : public troupe::Actor<WordCounter, Words> {
 public:
  void count(CountParams in, CountResults out) {
    std::ifstream file(in.getPath().cStr(), std::ios::binary);
    if (!file) return out.refuse("it can't be read");
    std::uint64_t words = 0;
    bool between = true;
    for (std::array<char, 4096> part; file;) {
      file.read(part.data(), part.size());
      for (std::streamsize i = 0; i < file.gcount(); ++i) {
        const bool space = std::isspace(static_cast<unsigned char>(part[static_cast<std::size_t>(i)])) != 0;
        if (between && !space) ++words;
        between = space;
      }
    }
    out.setWords(words);
  }
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.pool<WordCounter>("counters", {.onCrash = troupe::OnCrash::retry(3)});
  app.main([paths = std::vector<std::string>(argv + 1, argv + argc)](troupe::Self& self) -> troupe::Task<> {
    const auto counters = (co_await self.find<Words>("counters")).within(10min);
    const auto count = [&](const std::string& path) { return counters.count(path); };
    auto results = troupe::map(paths, count, {.ordered = true});
    std::uint64_t total = 0;
    while (auto result = co_await results.next()) {
      if (result->ok()) {
        total += (*result)->getWords();
        std::cout << (*result)->getWords() << ' ' << result->input() << '\n';
      } else {
        self.log().error("{}: {}", result->input(), result->error());
      }
    }
    std::cout << total << " total" << std::endl;
  });
  return app.run();
}
