// Reading and Answer: a sink and a reply that write down what an origin tells them, and what of it breaks the contract.
// Threads: told on any, one after the other; asked on any. Blocks: wait(), until the end: a test that hangs has found
// something. Errors: breaches(). Cost: a copy of all bytes. Lifetime: shared with the origin until the end was told.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>

#include <tests/drivers/scratch.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strandline::origin {

using testing::Bytes;
using testing::bytes_for;

// "ok", or the error's name.
template <class T>
std::string says(const Outcome<T>& outcome) {
  return outcome ? "ok" : std::string(to_string(outcome.error().error.code));
}

inline Failure copy_of(const Failure& failure) {
  return {failure.error.clone(), failure.may_pass, failure.retry_after, failure.size};
}

// One read. Set the hooks before it starts; an error from the first two refuses the read.
class Reading final : public Sink {
 public:
  explicit Reading(ByteRange range) noexcept : range_(range) {}

  std::function<Result<void>()> on_begin, on_bytes;
  std::function<void()> on_end;

  Result<void> begin(const ObjectInfo& object, std::uint64_t offset) noexcept override {
    const Inside inside(*this);
    {
      MutexLock lock(mutex_);
      check_locked(!outcome_, "begin() after end()");
      check_locked(!object_, "begin() twice");
      check_locked(!refused_, "begin() after a refusal");
      check_locked(offset == (object.accepts_ranges ? range_.begin : 0), "begin() at " + std::to_string(offset));
      object_ = object;
      next_ = offset;
      changed_.notify_all();
    }
    return answer(on_begin);
  }

  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    const Inside inside(*this);
    {
      MutexLock lock(mutex_);
      check_locked(!outcome_, "bytes() after end()");
      check_locked(object_.has_value(), "bytes() before begin()");
      check_locked(!refused_, "bytes() after a refusal");
      check_locked(offset == next_, "bytes() at " + std::to_string(offset) + ", not " + std::to_string(next_));
      check_locked(offset <= range_.end && data.size() <= range_.end - offset, "bytes() past the range's end");
      next_ = offset + data.size();
      bytes_.insert(bytes_.end(), data.begin(), data.end());
      changed_.notify_all();
    }
    return answer(on_bytes);
  }

  void end(Outcome<void> outcome) noexcept override {
    const Inside inside(*this);
    {
      MutexLock lock(mutex_);
      check_locked(!outcome_, "end() twice");
      check_locked(!outcome || object_, "success without begin()");
      check_locked(!outcome || !refused_, "success though the sink refused");
      outcome_ = std::move(outcome);
    }
    if (on_end) {
      on_end();
    }
    MutexLock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  // How it ended: "ok", or the error's name.
  std::string wait() {
    MutexLock lock(mutex_);
    while (!ended_) {
      changed_.wait(mutex_);
    }
    return says(*outcome_);
  }
  // Until begin() was told, or the end. True: begin() was.
  bool wait_begun() {
    MutexLock lock(mutex_);
    while (!object_ && !ended_) {
      changed_.wait(mutex_);
    }
    return object_.has_value();
  }

  [[nodiscard]] bool ended() {
    MutexLock lock(mutex_);
    return ended_;
  }
  // Once it has ended.
  [[nodiscard]] Failure failure() {
    MutexLock lock(mutex_);
    return copy_of(outcome_->error());
  }
  [[nodiscard]] std::optional<ObjectInfo> object() {
    MutexLock lock(mutex_);
    return object_;
  }
  [[nodiscard]] Bytes bytes() {
    MutexLock lock(mutex_);
    return bytes_;
  }
  [[nodiscard]] ByteRange range() const noexcept { return range_; }
  // Is it being told something at this moment?
  [[nodiscard]] bool inside() const noexcept { return inside_.load(std::memory_order_acquire) != 0; }

  // What was wrong with the order of the calls.
  [[nodiscard]] std::string breaches() {
    MutexLock lock(mutex_);
    return breaches_;
  }

 private:
  struct Inside {
    explicit Inside(Reading& of) : reading(of) {
      if (reading.inside_.fetch_add(1, std::memory_order_acq_rel) != 0) {
        MutexLock lock(reading.mutex_);
        reading.check_locked(false, "two calls at once");
      }
    }
    ~Inside() { reading.inside_.fetch_sub(1, std::memory_order_acq_rel); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Reading& reading;
  };

  void check_locked(bool holds, const std::string& what) STRANDLINE_REQUIRES(mutex_) {
    if (!holds) {
      breaches_ += what + "; ";
    }
  }
  Result<void> answer(const std::function<Result<void>()>& hook) {
    auto answered = hook ? hook() : Result<void>();
    if (!answered) {
      MutexLock lock(mutex_);
      refused_ = true;
    }
    return answered;
  }

  const ByteRange range_;
  std::atomic<int> inside_{0};  // calls under way: never more than one
  Mutex mutex_;
  CondVar changed_;
  std::optional<ObjectInfo> object_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t next_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  Bytes bytes_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<Outcome<void>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
  bool refused_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool ended_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::string breaches_ STRANDLINE_GUARDED_BY(mutex_);
};

// One reply, through the object that reply() gives away.
template <class T>
class Answer {
 public:
  // Runs when it comes, before wait() returns.
  std::function<void()> on_answer;

  static Reply<T> reply(const std::shared_ptr<Answer>& answer) {
    return [answer](Outcome<T> outcome) { answer->take(std::move(outcome)); };
  }
  // Once.
  Outcome<T> wait() {
    MutexLock lock(mutex_);
    while (!answered_) {
      changed_.wait(mutex_);
    }
    return std::move(*outcome_);
  }
  [[nodiscard]] unsigned calls() {
    MutexLock lock(mutex_);
    return calls_;
  }

 private:
  void take(Outcome<T> outcome) noexcept {
    {
      MutexLock lock(mutex_);
      if (++calls_ > 1) {
        return;
      }
      outcome_ = std::move(outcome);
    }
    if (on_answer) {
      on_answer();
    }
    MutexLock lock(mutex_);
    answered_ = true;
    changed_.notify_all();
  }

  Mutex mutex_;
  CondVar changed_;
  std::optional<Outcome<T>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
  unsigned calls_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  bool answered_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline::origin
