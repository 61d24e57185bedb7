// What a duel writes down of a resource's side: its observers' calls, its waits' ends, its answers.
// Threads: one. Blocks: never. Errors: none. Cost: a vector. Lifetime: values; a RecordingObserver is shared with the
// resource. Recording allocates, so it is kept out of the count of a FailAllocation around it.
#pragma once

#include <strandline/resource/observer.h>
#include <tests/support/failing_new.h>
#include <tests/support/model.h>

#include <concepts>
#include <memory>
#include <utility>
#include <vector>

namespace strandline::testing {

class RecordingObserver final : public AvailabilityObserver {
 public:
  void on_write(ByteRange range) noexcept override { note({Happening::Kind::write, range, 0}); }
  void on_evict(ByteRange range) noexcept override { note({Happening::Kind::evict, range, 0}); }
  void on_commit(std::uint64_t length) noexcept override { note({Happening::Kind::commit, {}, length}); }
  void on_fail(const Error& error) noexcept override {
    note({Happening::Kind::fail, {}, static_cast<std::uint64_t>(error.code)});
  }
  void on_reactivate(std::uint64_t generation) noexcept override {
    note({Happening::Kind::reactivate, {}, generation});
  }

  std::vector<Happening> log;

 private:
  void note(Happening happening) noexcept {
    FailAllocation none(0);
    log.push_back(happening);
  }
};

class RecordDemand final : public DemandObserver {
 public:
  void on_demand(ByteRange missing) noexcept override {
    FailAllocation none(0);
    told.push_back(missing);
  }

  std::vector<ByteRange> told;
};

inline Answer answer_of(const Result<void>& result) noexcept {
  return result ? Answer{} : Answer{result.error().code, 0};
}
inline Answer answer_of(const Result<WaitOutcome>& result) noexcept {
  return result ? Answer{std::nullopt, static_cast<std::uint64_t>(*result)} : Answer{result.error().code, 0};
}
inline Answer answer_of(const Result<std::size_t>& result) noexcept {
  return result ? Answer{std::nullopt, *result} : Answer{result.error().code, 0};
}
// Of a call that makes something: whether it did.
template <class T>
Answer answer_of_making(const Result<T>& result) noexcept {
  return result ? Answer{} : Answer{result.error().code, 0};
}

// The end of one async_wait.
struct WaitRecord {
  unsigned calls = 0;
  Answer answer;
  bool explained = false;  // an error came with a context
};

// Its callback; a copy of the pointer each, so that a callback that outlives the duel finds its record.
struct RecordWait {
  std::shared_ptr<WaitRecord> record;
  void operator()(Result<WaitOutcome> outcome) const noexcept {
    ++record->calls;
    record->answer = answer_of(outcome);
    record->explained = !outcome && !outcome.error().context.empty();
  }
};

}  // namespace strandline::testing
