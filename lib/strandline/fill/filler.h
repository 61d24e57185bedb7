// Filler: fetches objects from origins into resources, what somebody waits for first. Fill: one of them under way.
// Threads: thread-safe; one thread of its own decides, the origins' threads carry the bytes. Blocks: Fill::wait(), and
// the destructors, which stop what runs and wait for its end. Errors: what ended a fill, to its Target and its wait().
// Cost: a thread; a decision per request and per new wait, and 20 a second while anything runs. Lifetime: fills end
// with their handle or with the filler. Neither may be destroyed in a callback of an origin's or a resource's.
#pragma once

#include <strandline/fill/durations.h>
#include <strandline/fill/planning/retry.h>
#include <strandline/fill/target.h>

#include <functional>
#include <memory>
#include <string>

namespace strandline::fill {

struct FillerOptions {
  unsigned connections = 16;   // at once, with one server
  std::uint64_t max_rate = 0;  // bytes per second, of all together, which then come over one connection; 0: no limit
  RetryOptions retry = {};
};

struct FillRequest {
  std::shared_ptr<origin::Origin> origin;
  std::string key;
  Limits limits;          // the policy among them
  Validator validator{};  // of the version that the target holds bytes of; none: whatever is there now
  std::unique_ptr<Target> target;
  // If there is any, a failure before the object is known is not asked again, but ends the fill, and the origin's are
  // told of. On the filler's thread; must not throw.
  std::function<void(const origin::Failure&)> refused = {};
  // Asked of each answer that brings bytes, before the first of them is written: an error ends the fill with it. On the
  // origin's threads, several at once; must not throw.
  std::function<Result<void>(const origin::ObjectInfo&)> accept = {};
};

// At one moment.
struct FillProgress {
  std::uint64_t fetched = 0;  // bytes that came, wanted or not
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  double rate = 0;                  // bytes per second, of late
  std::vector<ByteRange> arriving;  // what each transfer has still to bring
};

// Of all fills together, since the filler began, those that have ended among them.
struct FillerStats {
  std::uint64_t fetched = 0;  // bytes, as FillProgress
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  std::uint64_t transfers = 0;     // under way at this moment
  Durations::Snapshot first_byte;  // of each request that brought one: how long that took
};

class Engine;
class Filler;
class FillState;

class Fill {
 public:
  Fill() noexcept = default;
  Fill(Fill&&) noexcept = default;
  Fill& operator=(Fill&& other) noexcept;
  ~Fill();

  // Until everything is there, or nothing more comes: why. With Policy::whole it ends by itself, else when it is
  // complete. `stop` ends the wait, not the fill: interrupted.
  [[nodiscard]] Result<void> wait(std::stop_token stop = {}) const noexcept;
  [[nodiscard]] bool ended() const noexcept;
  [[nodiscard]] FillProgress progress() const;
  // No new requests, and those under way are given up; waits stand.
  void pause() noexcept;
  void resume() noexcept;
  // Stops it, and waits until nothing of it runs any more.
  void stop() noexcept;

 private:
  friend class Filler;
  explicit Fill(std::shared_ptr<FillState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<FillState> state_;
};

class Filler {
 public:
  [[nodiscard]] static Result<Filler> create(FillerOptions options = {}) noexcept;
  Filler(Filler&&) noexcept = default;
  Filler& operator=(Filler&&) = delete;
  ~Filler();

  [[nodiscard]] Result<Fill> fill(FillRequest request) noexcept;
  [[nodiscard]] FillerStats stats() const noexcept;

 private:
  explicit Filler(std::shared_ptr<Engine> engine) noexcept : engine_(std::move(engine)) {}
  std::shared_ptr<Engine> engine_;
};

}  // namespace strandline::fill
