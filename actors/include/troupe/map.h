// map: one call for each of many inputs, some of them under way at a time: multiprocessing's Pool.map, imap and imap_unordered.
//
//     app.pool<PngDecoder>("decoders", {.onCrash = troupe::OnCrash::retry(1)});
//
//     auto decoders = co_await self.find<Decoder>("decoders");
//     auto results = troupe::map(paths, [&](const std::string& path) { return decoders.decode(path); });
//     while (auto result = co_await results.next()) {
//       if (result->ok()) use(result->input(), (*result)->getWidth());
//       else              complain(result->input(), result->error().what());
//     }
//
// Order:     results come as they finish, or in that of the inputs.
// Errors:    each input has a result: an answer, or the Error that its call has ended with (crashed, with the true cause, after as many
//            tries as the pool's onCrash says; refused; timedOut, counted from when it was sent). What one of them ends with is
//            nothing to the others.
// Bound:     calls under way, and results that nobody has asked for, are at most `inFlight`; the next input is sent when a result is taken.
// Lifetime:  the function is called while results are awaited; destroyed, the map sends no more, and what is under way is abandoned.
// Threads:   the actor's. One next() at a time.
#pragma once

#include <troupe/error.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/task.h>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

struct MapSpec {
  // More keep more workers busy, whatever the mailbox is good for; of long tasks, twice the number of workers is enough.
  unsigned inFlight = 16;
  bool ordered = false;
};

namespace detail {
template <class C>
struct ResultsOfCall;
template <class R>
struct ResultsOfCall<Call<R>> {
  using Type = R;
};
}  // namespace detail

template <class Input, class R>
class MapResult {
 public:
  MapResult(Input input, std::optional<Reply<R>> reply, std::optional<Error> error)
      : input_(std::move(input)), reply_(std::move(reply)), error_(std::move(error)) {}

  bool ok() const { return reply_.has_value(); }
  const Input& input() const { return input_; }
  // Where it is ok.
  const typename R::Reader* operator->() const { return reply_->operator->(); }
  const typename R::Reader& operator*() const { return **reply_; }
  // Where it is not.
  const Error& error() const { return *error_; }

 private:
  Input input_;
  std::optional<Reply<R>> reply_;
  std::optional<Error> error_;
};

template <class Input, class F>
class Map {
  using R = typename detail::ResultsOfCall<std::invoke_result_t<F&, const Input&>>::Type;

 public:
  using Result = MapResult<Input, R>;

  Map(std::vector<Input> inputs, F call, const MapSpec& spec)
      : state_(std::make_shared<State>(std::move(inputs), std::move(call), spec)) {}
  Map(Map&&) noexcept = default;
  Map& operator=(Map&&) = delete;
  ~Map() {
    if (state_) state_->close();
  }

  // Nothing, when all have been given out.
  Task<std::optional<Result>> next() { return nextOf(state_); }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(std::vector<Input> given, F function, const MapSpec& how)
        : inputs(std::make_move_iterator(given.begin()), std::make_move_iterator(given.end())),
          call(std::move(function)),
          spec(how),
          free(std::max(how.inFlight, 1U)) {}

    // Sends as many as may be under way.
    void feed() {
      while (free > 0 && !inputs.empty()) {
        --free;
        Input input = std::move(inputs.front());
        inputs.pop_front();
        detail::spawnHere(one(this->shared_from_this(), std::move(input), begun++));
      }
    }
    static Task<> one(std::shared_ptr<State> state, Input input, std::size_t index) {
      std::optional<Reply<R>> reply;
      std::optional<Error> error;
      try {
        auto under = state->call(input);
        reply.emplace(co_await under);
      } catch (const Error& caught) {
        error.emplace(caught);
      }
      state->done(index, Result(std::move(input), std::move(reply), std::move(error)));
    }
    void done(std::size_t index, Result result) {
      if (closed) return;
      finished.push_back({index, std::move(result)});
      if (!hasNext()) return;
      if (const auto handle = std::exchange(waiting, {})) handle.resume();
    }
    bool hasNext() const { return found() != finished.end() || (inputs.empty() && given == begun); }
    auto found() const {
      if (!spec.ordered) return finished.begin();
      return std::find_if(finished.begin(), finished.end(),
                          [this](const Finished& each) { return each.index == given; });
    }
    std::optional<Result> take() {
      const auto at = found();
      if (at == finished.end()) return std::nullopt;
      ++given;
      ++free;
      std::optional<Result> result(std::move(const_cast<Finished&>(*at).result));
      finished.erase(at);
      feed();
      return result;
    }
    void close() {
      closed = true;
      inputs.clear();
    }

    struct Finished {
      std::size_t index;
      Result result;
    };
    std::deque<Input> inputs;
    F call;
    MapSpec spec;
    std::size_t free;
    std::size_t begun = 0;
    std::size_t given = 0;
    std::vector<Finished> finished;
    std::coroutine_handle<> waiting;
    bool closed = false;
  };

  struct Awaiter {
    State& state;
    bool await_ready() const { return state.hasNext(); }
    void await_suspend(std::coroutine_handle<> handle) const { state.waiting = handle; }
    void await_resume() const {}
    ~Awaiter() { state.waiting = {}; }
  };
  static Task<std::optional<Result>> nextOf(std::shared_ptr<State> state) {
    if (state->waiting) throw Error(ErrorKind::invalid, "a map's next() is being awaited already");
    state->feed();
    co_await Awaiter{*state};
    co_return state->take();
  }

  std::shared_ptr<State> state_;
};

// `call` takes an input and makes the call for it: a function from const Input& to Call<...>.
template <class Input, class F>
Map<Input, F> map(std::vector<Input> inputs, F call, MapSpec spec = {}) {
  return Map<Input, F>(std::move(inputs), std::move(call), spec);
}

// The inputs in pieces of at most so many, for calls that take a list.
template <class Input>
std::vector<std::vector<Input>> chunks(const std::vector<Input>& inputs, std::size_t size) {
  if (size == 0) throw Error(ErrorKind::invalid, "cutting inputs into chunks of 0");
  std::vector<std::vector<Input>> pieces;
  for (std::size_t from = 0; from < inputs.size(); from += size) {
    const auto begin = inputs.begin() + static_cast<std::ptrdiff_t>(from);
    pieces.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(std::min(size, inputs.size() - from)));
  }
  return pieces;
}

}  // namespace troupe
