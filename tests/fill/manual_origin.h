// ManualOrigin: an origin whose every answer a test gives by hand, so that what a filler does between them is known.
// Threads: reads come on the filler's, answers are given on the test's. Blocks: reads(), until so many have come.
// Errors: a broken expectation is a failed REQUIRE. Cost: none worth naming. Lifetime: a test's, past the filler's.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>
#include <tests/resource/subjects.h>

namespace strandline::testing {

class ManualOrigin : public origin::Origin {
 public:
  class Read {
   public:
    Read(origin::ReadRequest asked, std::shared_ptr<origin::Sink> sink, std::stop_token stop)
        : request(std::move(asked)), sink_(std::move(sink)), at_(request.range.begin), on_stop_(stop, [this] {
            stopped_ = true;
            end({Error::make(Errc::interrupted)});
          }) {}

    // Answers as an origin with ranges does, or one without: from `offset` on.
    std::string begin(const origin::ObjectInfo& object) { return begin(object, request.range.begin); }
    std::string begin(const origin::ObjectInfo& object, std::uint64_t offset) {
      at_ = offset;
      return says(sink_->begin(object, offset));
    }
    // The next so many bytes of the content.
    std::string bytes(std::uint64_t count, std::uint64_t generation = 1) {
      const auto data = content({at_, at_ + count}, generation);
      auto taken = sink_->bytes(at_, data);
      at_ += count;
      if (!taken) {
        end({taken.error().clone()});
      }
      return says(taken);
    }
    void succeed() { finish({}); }
    void end(origin::Failure failure) { finish(tl::unexpected(std::move(failure))); }
    // All that was asked for, up to the object's end.
    void serve(const origin::ObjectInfo& object, std::uint64_t generation = 1) {
      REQUIRE(begin(object) == "ok");
      REQUIRE(bytes(std::min(request.range.end, object.size.value_or(kMaxOffset)) - at_, generation) == "ok");
      succeed();
    }
    [[nodiscard]] bool stopped() const { return stopped_; }
    [[nodiscard]] bool over() const { return over_; }

    const origin::ReadRequest request;

   private:
    void finish(origin::Outcome<void> outcome) {
      if (!over_.exchange(true)) {
        sink_->end(std::move(outcome));
      }
    }
    const std::shared_ptr<origin::Sink> sink_;
    std::uint64_t at_;
    std::atomic<bool> stopped_{false};
    std::atomic<bool> over_{false};
    std::stop_callback<std::function<void()>> on_stop_;  // the last member: it may run at once
  };

  [[nodiscard]] std::string name() const override { return "manual"; }
  void stat(std::string key, origin::Reply<origin::ObjectInfo> reply, std::stop_token) noexcept override {
    reply(tl::unexpected(origin::Failure{Error::make(Errc::unsupported, key)}));
  }
  void read(origin::ReadRequest request, std::shared_ptr<origin::Sink> sink, std::stop_token stop) noexcept override {
    auto read = std::make_shared<Read>(std::move(request), std::move(sink), std::move(stop));
    MutexLock lock(mutex_);
    reads_.push_back(std::move(read));
    arrived_.notify_all();
  }

  // The number-th read, counted from 0, once it has been asked for.
  std::shared_ptr<Read> read_number(std::size_t number) {
    const auto until = in_good_time();
    MutexLock lock(mutex_);
    while (reads_.size() <= number) {
      const bool in_time = arrived_.wait_until(mutex_, until);
      REQUIRE(in_time);
    }
    return reads_[number];
  }
  std::size_t count() {
    MutexLock lock(mutex_);
    return reads_.size();
  }

 private:
  Mutex mutex_;
  CondVar arrived_;
  std::vector<std::shared_ptr<Read>> reads_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::testing
