// Storage: a driver behind a virtual interface, so that the core is compiled once and not once per driver.
// Threads, Blocks: as the Driver contract says. Errors: an exception out of a driver becomes an Error here.
// Cost: one virtual call per driver call. Lifetime: shared by the core and the calls in flight.
#pragma once

#include <strandline/driver/driver.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

namespace strandline {

class Storage {
 public:
  virtual ~Storage() = default;
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept = 0;
  [[nodiscard]] virtual Result<std::size_t> write_at(std::uint64_t offset,
                                                     std::span<const std::byte> data) noexcept = 0;
  [[nodiscard]] virtual Result<void> commit(std::uint64_t length) noexcept = 0;
  [[nodiscard]] virtual Result<void> reactivate() noexcept = 0;
  [[nodiscard]] virtual Result<std::shared_ptr<Storage>> rewrite() noexcept = 0;
  [[nodiscard]] virtual Result<DriverView> view(ByteRange range) const noexcept = 0;
  [[nodiscard]] virtual Result<void> sync() noexcept = 0;
  [[nodiscard]] virtual Result<void> set_length(std::uint64_t length) noexcept = 0;
  [[nodiscard]] virtual bool evicts() const noexcept = 0;
  [[nodiscard]] virtual Result<void> may_evict() const noexcept = 0;
  [[nodiscard]] virtual Result<void> evict(ByteRange range) noexcept = 0;
  [[nodiscard]] virtual bool discards() const noexcept = 0;
  virtual void discard(ByteRange range) noexcept = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t> window_capacity() const noexcept = 0;
  [[nodiscard]] virtual Overflow overflow() const noexcept = 0;
  [[nodiscard]] virtual Result<std::filesystem::path> path() const noexcept = 0;
};

template <Driver D>
class DriverStorage final : public Storage {
 public:
  explicit DriverStorage(std::unique_ptr<D> driver) noexcept : driver_(std::move(driver)) {}

  static Result<DriverState> open(D& driver, typename D::Options options) noexcept {
    return guarded([&] { return driver.open(std::move(options)); });
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    return guarded([&] { return std::as_const(*driver_).read_at(offset, out); });
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    return guarded([&] { return driver_->write_at(offset, data); });
  }
  Result<void> commit(std::uint64_t length) noexcept override {
    return guarded([&] { return driver_->commit(length); });
  }
  Result<void> reactivate() noexcept override {
    return guarded([&] { return driver_->reactivate(); });
  }
  Result<std::shared_ptr<Storage>> rewrite() noexcept override {
    if constexpr (HasRewrite<D>) {
      return guarded([&]() -> Result<std::shared_ptr<Storage>> {
        // The shell first: once the driver has made its successor, nothing may fail any more.
        auto shell = std::make_shared<DriverStorage>(nullptr);
        Result<std::unique_ptr<D>> next = driver_->rewrite();
        if (!next) {
          return fail(std::move(next.error()));
        }
        shell->driver_ = std::move(*next);
        return shell;
      });
    } else {
      return fail(Errc::unsupported, "this driver cannot write a new generation");
    }
  }
  Result<DriverView> view(ByteRange range) const noexcept override {
    if constexpr (HasView<D>) {
      return guarded([&] { return std::as_const(*driver_).view(range); });
    } else {
      return fail(Errc::unsupported, "this driver has no views");
    }
  }
  Result<void> sync() noexcept override {
    if constexpr (HasSync<D>) {
      return guarded([&] { return driver_->sync(); });
    } else {
      return fail(Errc::unsupported, "this driver keeps nothing across a power cut");
    }
  }
  Result<void> set_length(std::uint64_t length) noexcept override {
    if constexpr (HasSetLength<D>) {
      return guarded([&] { return driver_->set_length(length); });
    } else {
      return {};
    }
  }
  bool evicts() const noexcept override { return HasEvict<D>; }
  Result<void> may_evict() const noexcept override {
    if constexpr (MayRefuseEviction<D>) {
      return guarded([&] { return std::as_const(*driver_).may_evict(); });
    } else {
      return {};
    }
  }
  Result<void> evict(ByteRange range) noexcept override {
    if constexpr (HasEvict<D>) {
      return guarded([&] { return driver_->evict(range); });
    } else {
      return fail(Errc::unsupported, "this driver cannot give bytes up");
    }
  }
  bool discards() const noexcept override { return HasDiscard<D>; }
  void discard(ByteRange range) noexcept override {
    if constexpr (HasDiscard<D>) {
      driver_->discard(range);
    }
  }
  std::optional<std::uint64_t> window_capacity() const noexcept override {
    if constexpr (HasWindow<D>) {
      return driver_->valid_window(kMaxOffset).size();
    } else {
      return std::nullopt;
    }
  }
  Overflow overflow() const noexcept override {
    if constexpr (HasWindow<D>) {
      return driver_->overflow();
    } else {
      return Overflow::overwrite;
    }
  }
  Result<std::filesystem::path> path() const noexcept override {
    return guarded([&]() -> Result<std::filesystem::path> { return driver_->path(); });
  }

 private:
  // Rule R13: nothing thrown by a driver crosses the API.
  template <class Call>
  static auto guarded(Call&& call) noexcept -> decltype(call()) {
    try {
      return call();
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "driver");
    } catch (const std::exception& error) {
      return fail(Errc::io, error.what());
    } catch (...) {
      return fail(Errc::io, "the driver threw something that is no std::exception");
    }
  }

  std::unique_ptr<D> driver_;  // set before the storage is shared
};

}  // namespace strandline
