#include <strandline/base/sync.h>
#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/index.h>
#include <strandline/store/open_store.h>
#include <strandline/store/store.h>

#include <algorithm>
#include <utility>

namespace strandline::store {

Result<Store> Store::open(std::string path, StoreOptions options) noexcept {
  // Here rather than before a first byte: with threads running it takes the kernel some 10 ms.
  Sync::enable_light_fences();
  return file::contained([&]() -> Result<Store> {
    auto store = OpenStore::open(std::move(path), std::move(options));
    if (!store) {
      return fail(std::move(store.error()));
    }
    // Leases and the keeper's thread share the other reference: this one knows when the last Store goes.
    OpenStore* const open = store->get();
    return Store({open, [held = std::move(*store)](OpenStore*) mutable { OpenStore::leave(std::move(held)); }});
  });
}

Result<Lease> Store::acquire(const std::string& key, const Validator& validator,
                             const AcquireOptions& options) noexcept {
  return file::contained([&] { return store_->acquire(key, validator, options); });
}
Result<void> Store::prepare(const std::string& key) noexcept {
  return file::contained([&] { return store_->prepare(key); });
}
Result<Lease> Store::peek(const std::string& key) noexcept {
  return file::contained([&] { return store_->peek(key); });
}
Result<bool> Store::contains(const std::string& key, ByteRange range) noexcept {
  return file::contained([&]() -> Result<bool> {
    const auto lease = store_->peek(key);
    if (!lease) {
      return lease.error().code == Errc::not_found ? Result<bool>(false) : fail(lease.error().clone());
    }
    return lease->resource().contains(range);
  });
}
Result<void> Store::remove(const std::string& key) noexcept {
  return file::contained([&] { return store_->remove(key); });
}
Result<std::vector<EntryInfo>> Store::list(std::string_view prefix, const EntryInfo* after,
                                           std::size_t limit) noexcept {
  return file::contained([&] { return store_->list(prefix, after, limit); });
}
Result<StoreStats> Store::stats() noexcept {
  return file::contained([&] { return store_->stats(); });
}
Result<std::uint64_t> Store::evict(std::uint64_t bytes) noexcept {
  return file::contained([&] { return store_->evict(bytes); });
}
Result<void> Store::checkpoint() noexcept {
  return file::contained([&] { return store_->checkpoint(); });
}
Result<VerifyReport> Store::verify(bool repair, const std::function<bool(const VerifyReport&)>& progress) noexcept {
  return file::contained([&] { return store_->verify(repair, progress); });
}

}  // namespace strandline::store
