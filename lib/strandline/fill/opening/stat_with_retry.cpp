#include <strandline/base/mutex.h>
#include <strandline/fill/opening/stat_with_retry.h>
#include <strandline/origin/blocking.h>

#include <random>

namespace strandline::fill {
namespace {

using std::chrono::steady_clock;

void sleep_until(steady_clock::time_point until, const std::stop_token& stop) {
  Mutex mutex;
  CondVar stopped;
  const std::stop_callback wake(stop, [&]() noexcept {
    MutexLock lock(mutex);
    stopped.notify_all();
  });
  MutexLock lock(mutex);
  while (!stop.stop_requested() && stopped.wait_until(mutex, until)) {
  }
}

}  // namespace

origin::Outcome<origin::ObjectInfo> stat_with_retry(origin::Origin& origin, const std::string& key,
                                                    const RetryOptions& options, const std::stop_token& stop) {
  Retry retry(options);
  std::minstd_rand random(std::random_device{}());
  for (;;) {
    auto object = origin::blocking::stat(origin, key, stop);
    if (object || !object.error().may_pass) {
      return object;
    }
    const auto now = steady_clock::now();
    const auto& asked = object.error().retry_after;
    const auto wait = retry.failed(now.time_since_epoch(), std::uniform_real_distribution<double>()(random),
                                   asked ? std::optional<Seconds>(*asked) : std::nullopt);
    if (!wait) {
      return object;
    }
    sleep_until(now + std::chrono::duration_cast<steady_clock::duration>(*wait), stop);
    if (stop.stop_requested()) {
      return tl::unexpected(origin::Failure{Error::make(Errc::interrupted, "asked again for " + key)});
    }
  }
}

}  // namespace strandline::fill
