// Prefetches: what is to be fetched before anybody asks for it: some at once, the others in their order.
// Threads: the desk's; `wake` is called on any. Blocks: never. Errors: kept, of the last ones that failed, by the
// object. Throws bad_alloc. Cost: a parked wait for each that runs. Lifetime: stop(), then look() until idle().
#pragma once

#include <strandline/serve/control/view/metrics.h>
#include <strandline/serve/control/view/parts.h>

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <stop_token>
#include <string>

namespace strandline::serve {

class Prefetches {
 public:
  struct Request {
    Source source;
    ByteRange range;
  };
  struct Failure {
    std::string name;
    std::string error;
  };

  // `wake`: look() has something to do. Must not throw.
  Prefetches(std::shared_ptr<Objects> objects, std::function<void()> wake)
      : objects_(std::move(objects)), wake_(std::move(wake)) {}

  // False: too many wait.
  [[nodiscard]] bool add(Request request);
  // What has ended, and what can begin.
  void look();
  void stop() noexcept;
  [[nodiscard]] bool idle() const noexcept { return running_.empty(); }
  [[nodiscard]] PrefetchCounts counts() const noexcept { return {queued_.size(), running_.size()}; }
  // Nothing: no such object waits for its turn or is being asked for.
  [[nodiscard]] const std::string* under_way(std::uint64_t id) const;
  [[nodiscard]] const Failure* failure(std::uint64_t id) const;

 private:
  // Written by whoever ends it, published by `ended`, release.
  struct Running {
    Running(Request&& asked, std::function<void()> woken) : request(std::move(asked)), wake(std::move(woken)) {}
    Request request;
    std::function<void()> wake;  // of its own: once it has ended the others may be gone
    std::shared_ptr<const Object> object;
    std::string error;
    std::atomic<bool> ended{false};
  };
  void begin(const std::shared_ptr<Running>& running);
  void opened(const std::shared_ptr<Running>& running, Objects::Found found);
  static void end(Running& running) noexcept;

  const std::shared_ptr<Objects> objects_;
  const std::function<void()> wake_;
  std::stop_source stop_;
  std::deque<Request> queued_;
  std::list<std::shared_ptr<Running>> running_;
  std::deque<Failure> failed_;
};

}  // namespace strandline::serve
