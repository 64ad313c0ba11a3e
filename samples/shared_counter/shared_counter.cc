// Four workers count the words of a text, in a dictionary and a counter that they share. They read, change and write nothing under a
// lock: each add and each update is one atomic step of the actor that has the number. One of the workers is killed halfway; the next
// process goes on behind the last word that it knows to be counted, and the sums are exact.
#include <troupe/troupe.h>

#include <csignal>
#include <iostream>
#include <iterator>
#include <sstream>
#include <vector>

using namespace std::chrono_literals;
using Words = troupe::Dictionary<capnp::Text, std::int64_t>;

namespace {

constexpr unsigned kWorkers = 4;
constexpr const char* kText =
    "the cat saw the dog and the dog saw the cat "
    "and the cat and the dog ran and the mouse saw the cat and the dog run "
    "and the mouse ran and the cat saw the mouse and the dog saw the cat";

std::vector<std::string> wordsOf(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

troupe::Task<std::int64_t> sumOf(Words words) {
  std::int64_t sum = 0;
  auto page = co_await words.page();
  for (const auto& word : page) sum += *word;
  co_return sum;
}

class Worker final : public troupe::Actor<Worker> {
 public:
  explicit Worker(unsigned index) : next_(*this, "next", index) {}

  troupe::Task<> run() {
    auto total = co_await find<troupe::Counter>("total");
    auto words = co_await find<Words>("words");
    const auto text = wordsOf(kText);
    while (*next_ < text.size()) {
      co_await total.add(1);
      co_await words.update(text[*next_],
                            [](std::optional<std::int64_t> old) { return old.value_or(0) + 1; });
      next_ += kWorkers;
      co_await sleepFor(1ms);  // the event loop keeps what has changed
      if (name() == "worker2" && self().generation() == 1 && *next_ > text.size() / 2) std::raise(SIGKILL);
    }
  }

 private:
  troupe::Kept<unsigned> next_;
};

}  // namespace

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.add<troupe::Counter>("total");
  app.add<Words>("words");
  for (unsigned i = 0; i < kWorkers; ++i)
    app.child<Worker>("worker" + std::to_string(i), {.restart = troupe::Restart::transient}, i);
  app.main([](troupe::Self& self) -> troupe::Task<> {
    auto total = co_await self.find<troupe::Counter>("total");
    auto words = co_await self.find<Words>("words");
    auto watch = co_await words.watch();
    const auto all = static_cast<std::int64_t>(wordsOf(kText).size());
    while (co_await sumOf(words) < all) co_await watch.next();
    auto page = co_await words.page();
    for (const auto& word : page) std::cout << word.key() << ": " << *word << '\n';
    const std::int64_t sum = co_await sumOf(words);
    std::cout << sum << " words are in the dictionary, " << co_await total.get() << " were counted, of "
              << all << '\n';
  });
  return app.run();
}
