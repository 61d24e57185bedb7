// Fetcher: from an object of an origin, and a store, to a resource that can be read at once; one process fetches it for
// all. Fetched: one such object, held open. Threads: thread-safe; cheap to copy. Blocks: open(), on the origin and the
// disk; the end of a Fetched, until nothing of its fetching runs; of the last Fetcher, until its openings have ended.
// Errors: the origin's and the store's. Cost: a question to the origin per open(), unless what is there will do; a
// thread where it does not block. Lifetime: a Fetched keeps store and filler, not its Fetcher; it may not end in a
// callback of its resource.
#pragma once

#include <strandline/fill/filler.h>
#include <strandline/store/store.h>

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace strandline::fill {

class Fetched;

struct FetchOptions {
  Limits limits = {};  // the policy among them
  // Is any version that the store has good enough? Then a complete entry needs no origin.
  bool any_version = false;
  // What the origin has just said of the object, if the caller knows: then it is not asked again.
  std::optional<origin::ObjectInfo> object = {};
  std::string store_key = {};  // of the entry; empty: the object's key
  // What will be read first. Where the store has nothing of the object its first bytes are asked for at once, and not
  // before them what it is: a round trip less. Such a request is not repeated when it fails. Empty: nothing is known.
  ByteRange first = {};
  // What the store has of the object may be of another version, or what is known of it wrong: it is not looked at, and
  // `first` is asked for at once; instead_of is given up before that.
  bool anew = false;
  // Told what the store has of the object, if it has anything, before the origin is asked: is that good enough, whole
  // or not? Then the origin is not asked what it is. On this call's thread, which it may block; must not throw.
  std::function<bool(const store::Lease&)> found = {};
  // Called before the origin is asked what the object is, or read for that: an error ends the opening with it, and
  // nothing is asked. On this call's thread; must not throw.
  std::function<Result<void>()> before_asking = {};
  // Told what the origin says, when it is asked: an error ends the opening with it. On this call's thread or one of the
  // origin's; must not throw.
  std::function<Result<void>(const origin::ObjectInfo&)> accept = {};
  // Asked of each answer that brings bytes, as long as the object is open, before the first of them is written: an
  // error ends its fetching here for good, as give_up() does. On the origin's threads, several at once; must not throw.
  std::function<Result<void>(const origin::ObjectInfo&)> accept_bytes = {};
  // Told why it says nothing, where the opening fails for that. On this call's thread or the filler's; must not throw.
  std::function<void(const origin::Failure&)> refused = {};
  // Of an older version, which is given up first: while it is fetched no other can be.
  std::shared_ptr<const Fetched> instead_of = {};
  RetryOptions retry = {};  // of the question what the object is; the bytes: the filler's
};

class Fetched {
 public:
  // Readable, and waitable; what a reader lacks is fetched next. Its waits end with failed once what they lack cannot
  // be had, and with changed when the origin has another version: open() anew.
  [[nodiscard]] const Resource<store::EntryDriver>& resource() const noexcept;
  // Is it this process that fetches, at this moment? Else another does, or it is complete.
  [[nodiscard]] bool fetching() const noexcept;
  // Of what this process fetches.
  [[nodiscard]] FillProgress progress() const;
  // As it was opened with.
  [[nodiscard]] const Limits& limits() const noexcept;
  // Of the version that it is; none: the origin tells no versions apart.
  [[nodiscard]] Validator validator() const;
  // Why what is missing cannot be had, once this process knows.
  [[nodiscard]] std::optional<Error> given_up() const noexcept;
  // What is missing is not to be had any more, for this reason: fetches no more of it, and its waits end with failed or
  // no_writer. What is here stays.
  void give_up(const Error& why) const noexcept;
  // Another lease of the entry, for pins.
  [[nodiscard]] store::Lease lease() const noexcept;
  // Until all of it is there: an error says why it never will be.
  [[nodiscard]] Result<WaitOutcome> wait(const WaitOptions& options = {}) const noexcept;

  class State;

 private:
  friend class Fetcher;
  explicit Fetched(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class Opening;
class Workers;

class Fetcher {
 public:
  Fetcher(store::Store store, std::shared_ptr<Filler> filler);

  // `stop` ends the asking: interrupted. busy: somebody is fetching another version of it, or one of an origin that
  // tells no versions apart.
  [[nodiscard]] Result<Fetched> open(std::shared_ptr<origin::Origin> origin, const std::string& key,
                                     const FetchOptions& options = {}, std::stop_token stop = {}) noexcept;
  // Likewise, without blocking the caller: `done` is called once, on a thread of its own, which it may block; or
  // before this returns, when there is none to be had. The end of the last Fetcher stops what runs. Must not throw.
  using Done = std::function<void(Result<Fetched>)>;
  void async_open(std::shared_ptr<origin::Origin> origin, std::string key, FetchOptions options, std::stop_token stop,
                  Done done) noexcept;
  // The same for a coroutine: `co_await fetcher.opening(origin, key)` answers a Result<Fetched>, and goes on on that
  // thread. With gcc 12 give options a variable of their own, as <strandline/async/coroutine.h> says.
  [[nodiscard]] Opening opening(std::shared_ptr<origin::Origin> origin, std::string key);
  [[nodiscard]] Opening opening(std::shared_ptr<origin::Origin> origin, std::string key, FetchOptions options,
                                std::stop_token stop = {});

 private:
  Fetcher(store::Store store, std::shared_ptr<Filler> filler, std::shared_ptr<Workers> openings) noexcept
      : store_(std::move(store)), filler_(std::move(filler)), openings_(std::move(openings)) {}
  // An error: `done` is not called.
  [[nodiscard]] Result<void> begin_opening(std::shared_ptr<origin::Origin> origin, std::string key,
                                           FetchOptions options, std::stop_token stop, Done done) noexcept;
  store::Store store_;
  std::shared_ptr<Filler> filler_;
  std::shared_ptr<Workers> openings_;  // the first to go
};

// What opening() waits on. A coroutine that is suspended here must not be destroyed: stop the opening, which resumes
// it.
class [[nodiscard]] Opening {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  // Not inline, as Ready's.
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> coroutine) noexcept;
  [[nodiscard]] Result<Fetched> await_resume() noexcept { return std::move(*opened_); }

 private:
  friend class Fetcher;
  using Start = std::function<Result<void>(Fetcher::Done)>;
  explicit Opening(Start start) noexcept : start_(std::move(start)) {}

  Start start_;
  std::optional<Result<Fetched>> opened_;
};

}  // namespace strandline::fill
