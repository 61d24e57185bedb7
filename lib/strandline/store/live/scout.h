// Scout: lets one thread at a time that waits for an entry's bytes sleep on the memory that processes share: the writer
// wakes it, and it looks at what is new for its whole process, while the keeper sleeps on.
// Threads: as Sleeper; detach() any. Blocks: sleep(); detach() for a look. Errors: none: whatever is out of the
// ordinary is left to the keeper. Cost: a sleep is one system call, a wake what the look costs. Lifetime: shared by the
// entry and who sleeps. docs/store.md has the protocol, and why no wait hangs.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/resource/wait_index/sleeper.h>
#include <strandline/store/live/live_file.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace strandline::store {

// What a look has come to.
enum class Look : std::uint8_t {
  done,    // all is applied that had changed by then
  keeper,  // there is, or may be, something that the keeper has to see to
  stop     // there is nothing to look out for
};

class Scout final : public Sleeper {
 public:
  // What both call is called under the scout's lock, and not any more once detach() has returned. It must not throw.
  struct Lookout {
    // Applies what had changed when Signals::news() was this, if that is soon done. Must neither wait for anybody nor
    // run callbacks or observers.
    std::function<Look(std::uint32_t news)> look;
    // Nobody looks out any more: the keeper shall be told of changes from now on.
    std::function<void()> stand_down;
  };

  Scout(Signals signals, Lookout lookout) noexcept : signals_(std::move(signals)), lookout_(std::move(lookout)) {}
  // Who sleeps goes on without.
  void detach() noexcept STRANDLINE_EXCLUDES(mutex_);

  [[nodiscard]] bool begin() noexcept override;
  [[nodiscard]] bool sleep(Sync::Atomic<std::uint32_t>& word, std::uint32_t expected,
                           Sync::time_point deadline) noexcept override STRANDLINE_EXCLUDES(mutex_);
  void end() noexcept override STRANDLINE_EXCLUDES(mutex_);

 private:
  [[nodiscard]] Look look(std::uint32_t news) noexcept STRANDLINE_EXCLUDES(mutex_);
  void stand_down() noexcept STRANDLINE_EXCLUDES(mutex_);

  const Signals signals_;
  Mutex mutex_;  // before the entry's, which is only tried; held during a look
  std::optional<Lookout> lookout_ STRANDLINE_GUARDED_BY(mutex_);
  // By a thread that sleeps; the others sleep without. The next two are that thread's.
  std::atomic<bool> taken_{false};
  bool looks_out_ = false;
  std::optional<std::uint32_t> looked_;  // Signals::news() before the last look
};

}  // namespace strandline::store
