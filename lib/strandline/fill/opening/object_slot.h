// OpenObject: one version of an origin's object, open in a store. ObjectSlot: the one that reads of a key use. One of
// them asks the origin, for all that wait meanwhile; who can do with what is at hand does not wait.
// Threads: thread-safe. Blocks: get(), while the origin is asked, until its stop. Errors: the question's. Cost: a lock.
// Lifetime: an object stays while anybody reads it.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/fill/fetcher.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

namespace strandline::fill {

struct OpenObject {
  origin::ObjectInfo info;
  std::optional<Fetched> fetched{};  // none: past the store
  bool stale = false;
  std::atomic<bool> told_past{false};  // by any read
};

class ObjectSlot {
 public:
  using Opened = origin::Outcome<std::shared_ptr<OpenObject>>;
  // Asks which version there is, and opens it. Must not throw.
  using Ask = std::function<Opened(const std::shared_ptr<OpenObject>& at_hand)>;

  explicit ObjectSlot(std::chrono::milliseconds untold_for) noexcept : untold_for_(untold_for) {}

  // The version that is wanted, else changed; none: the one that there is, by a question begun after this call. An
  // origin that tells no versions apart is asked anew after `untold_for`, once nobody reads what is at hand: what that
  // has of it is let go of, for it may be of another version.
  [[nodiscard]] Opened get(const Validator& wanted, const Ask& ask, const std::stop_token& stop)
      STRANDLINE_EXCLUDES(mutex_);
  // The next read asks anew, if this is what is at hand.
  void forget(const std::shared_ptr<OpenObject>& object) STRANDLINE_EXCLUDES(mutex_);
  // Does a read use what is at hand?
  [[nodiscard]] bool in_use() STRANDLINE_EXCLUDES(mutex_);

 private:
  // Is what is at hand of an origin that tells no versions apart?
  [[nodiscard]] bool untold_locked() const STRANDLINE_REQUIRES(mutex_);
  // Will what is at hand do, without a question?
  [[nodiscard]] bool serves_locked(const Validator& wanted) const STRANDLINE_REQUIRES(mutex_);

  const std::chrono::milliseconds untold_for_;
  Mutex mutex_;  // a leaf
  CondVar answered_;
  std::shared_ptr<OpenObject> object_ STRANDLINE_GUARDED_BY(mutex_);
  Sync::time_point opened_at_ STRANDLINE_GUARDED_BY(mutex_);
  bool asking_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::uint64_t questions_ STRANDLINE_GUARDED_BY(mutex_) = 0;  // begun
  std::uint64_t last_answered_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::optional<origin::Failure> failure_ STRANDLINE_GUARDED_BY(mutex_);  // its answer, if it was one
};

}  // namespace strandline::fill
