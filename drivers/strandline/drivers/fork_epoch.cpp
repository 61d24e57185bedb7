#include <strandline/drivers/fork_epoch.h>

#include <pthread.h>

#include <atomic>

namespace strandline {
namespace {

// Written by the atfork handler, in a child that has one thread; read by every call of every driver.
// Relaxed: fork() itself orders the parent's past before all that the child does.
constinit std::atomic<std::uint64_t> g_epoch{0};

void in_child() noexcept {
  g_epoch.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Result<ForkEpoch> ForkEpoch::arm() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, &in_child);
  if (registered != 0) {
    return fail(Error::system(registered, "pthread_atfork"));
  }
  return ForkEpoch(g_epoch.load(std::memory_order_relaxed));
}

bool ForkEpoch::inherited() const noexcept {
  return g_epoch.load(std::memory_order_relaxed) != epoch_;
}

Result<void> ForkEpoch::check(std::string_view what) const noexcept {
  if (inherited()) {
    return tl::unexpected<Error>(Error{Errc::unsupported, std::make_error_code(std::errc::operation_not_permitted),
                                       Error::make(Errc::unsupported, what).context});
  }
  return {};
}

}  // namespace strandline
