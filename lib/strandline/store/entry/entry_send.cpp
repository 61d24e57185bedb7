// Bytes that leave for a socket without a copy. A read into memory is judged before anybody sees it; here the bytes
// have gone by then. So the caller pins them: nobody makes a hole of what is pinned, not even of a block that turns out
// to be bad, and they have been held against their checksums before. Of what was not pinned, zeros may have gone; that
// is asked for afterwards, and the answer is an error.
#include <strandline/resource/core/parts.h>
#include <strandline/store/checksums/block_checks.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/live/room.h>

#include <unistd.h>

namespace strandline::store {
namespace {

// May a page of the kernel's hold more than what the store gives up at once (policy.h)? Then what a socket's queue has
// of it, on the same machine up to the client's reading it, would become zeros.
bool pages_outgrow_chunks() noexcept {
  static const bool larger = ::sysconf(_SC_PAGESIZE) > 4096;
  return larger;
}

}  // namespace

Result<EntryDriver::Sent> EntryDriver::send_to(int socket, ByteRange range) const noexcept {
  if (doomed_.load(std::memory_order_acquire)) {
    return fail(Errc::io, "an fsync has failed before");
  }
  if (sealed_ != nullptr) {
    return fail(Errc::unsupported, "what is encrypted cannot be sent as it is");
  }
  if (pages_outgrow_chunks()) {
    return fail(Errc::unsupported, "sent as it is, this system would send what has been given up since");
  }
  const std::uint32_t epoch = alone_epoch_.load(std::memory_order_acquire);
  const std::uint32_t drops = drops_followed_.load(std::memory_order_acquire);
  if (auto verified = checks_->verify(range); !verified) {
    return fail(std::move(verified.error()));
  }
  const auto count = data_->send_to(socket, range);
  if (!count) {
    return fail(count.error().clone());
  }
  if (options_.room != nullptr && *count > 0) {
    options_.room->read({range.begin, range.begin + *count});
  }
  const bool alone = epoch % 2 != 0 && alone_epoch_.load(std::memory_order_acquire) == epoch &&
                     !retired_.load(std::memory_order_acquire);
  return Sent{*count, alone || options_.signals.intact(drops)};
}

Result<std::size_t> Entry::send_to(int socket, ByteRange range) noexcept {
  if (!resource_.contains(range)) {
    return fail(Errc::not_available, "send");
  }
  const auto sent = driver_.send_to(socket, range);
  if (!sent) {
    return fail(sent.error().clone());
  }
  const ByteRange gone{range.begin, range.begin + sent->count};
  if (!sent->undisturbed) {
    Effects effects(core());
    MutexLock lock(mutex_);
    if (auto followed = follow_locked(true, effects); !followed) {
      return fail(std::move(followed.error()));
    }
  }
  return resource_.contains(gone) ? Result<std::size_t>(sent->count)
                                  : fail(Errc::changed, "given up while it was being sent");
}

}  // namespace strandline::store
