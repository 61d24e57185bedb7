// Writer<D>: the write side of a resource, one per resource at a time.
// Threads: thread-safe. Blocks: write_at() behind an overlapping write and, on a ring, behind pins and cursors;
// the others behind writes in flight. Errors: each call's below; after cancel, always cancelled. Cost: one lock and one
// driver call per missing piece. Lifetime: a handle; destroyed without commit, fail or abandon it fails the resource.
#pragma once

#include <strandline/resource/core/core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace strandline {

// What Resource, Writer and Cursor share: when the last of them goes, the resource is shut down, and
// whoever still waits on it ends with cancelled. Views and subscriptions do not count.
class ResourceHandle {
 public:
  explicit ResourceHandle(std::shared_ptr<Core> core) noexcept : core_(std::move(core)) {}
  ResourceHandle(const ResourceHandle&) = delete;
  ResourceHandle& operator=(const ResourceHandle&) = delete;
  ~ResourceHandle() { core_->close(); }
  [[nodiscard]] const std::shared_ptr<Core>& core() const noexcept { return core_; }

 private:
  const std::shared_ptr<Core> core_;
};

template <Driver D>
class Writer {
 public:
  // A writer that writes nowhere: every call answers no_writer.
  Writer() noexcept = default;
  Writer(std::shared_ptr<ResourceHandle> handle, WriterId id) noexcept : handle_(std::move(handle)), id_(id) {}
  Writer(Writer&& other) noexcept : handle_(std::move(other.handle_)), id_(other.id_) {}
  Writer& operator=(Writer&& other) noexcept {
    if (this != &other) {
      leave();
      handle_ = std::move(other.handle_);
      id_ = other.id_;
    }
    return *this;
  }
  ~Writer() { leave(); }

  // Writes the bytes at `offset`; answers how many of them are newly available. Bytes that are there already
  // are compared: equal ones are a no-op, different ones are `conflict`, and then nothing has changed. On a storage
  // error what had been written before it is available. A ring keeps the tail that fits; `options`
  // bounds its wait for room (timed_out, interrupted), `until` is not used.
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data,
                                             const WaitOptions& options = {}) {
    return handle_ ? core()->write(id_, offset, data, options) : fail(Errc::no_writer);
  }
  // Makes bytes available that have come to be in the storage by another hand, another process for instance. Answers
  // how many of them are newly so.
  [[nodiscard]] Result<std::size_t> publish_found(ByteRange range) {
    return handle_ ? core()->publish_found(id_, range) : fail(Errc::no_writer);
  }
  // Makes the length known, in bytes: readers past it see the end. Another than a known one is `conflict`.
  [[nodiscard]] Result<void> set_length(std::uint64_t length) {
    return handle_ ? core()->set_length(id_, length) : fail(Errc::no_writer);
  }
  // The content is complete: [0, length) must be covered, else `incomplete`, naming the first gap. Without a
  // length: the known one, or the end of what was written. Bytes past it are dropped. The same length again
  // is a no-op, another one is `committed`. A failure of the storage leaves the resource active.
  [[nodiscard]] Result<void> commit(std::optional<std::uint64_t> length = std::nullopt) {
    return handle_ ? core()->commit(id_, length) : fail(Errc::no_writer);
  }
  // No more bytes will come: waits on missing ones end with `failed` and this cause.
  [[nodiscard]] Result<void> fail(Error error) {
    return handle_ ? core()->fail_with(id_, std::move(error)) : fail(Errc::no_writer);
  }
  // Steps back and leaves the resource active, for another writer or for none.
  [[nodiscard]] Result<void> abandon(Abandon how) {
    return handle_ ? core()->abandon(id_, how) : fail(Errc::no_writer);
  }
  // May it still write: has it not finished, been replaced, or lost its resource?
  [[nodiscard]] bool active() const noexcept { return handle_ && core()->is_writer(id_); }
  // What has been written survives a power cut; `unsupported` where the storage keeps nothing.
  [[nodiscard]] Result<void> sync() { return handle_ ? core()->sync(id_) : fail(Errc::no_writer); }

 private:
  static tl::unexpected<Error> fail(Errc code) noexcept { return strandline::fail(code, "an empty writer"); }
  // A copy of the pointer: an observer or callback may destroy this writer, and with it the last handle, in a call.
  [[nodiscard]] std::shared_ptr<Core> core() const noexcept { return handle_->core(); }
  void leave() noexcept {
    if (const auto handle = std::exchange(handle_, nullptr)) {
      handle->core()->writer_gone(id_);
    }
  }

  std::shared_ptr<ResourceHandle> handle_;
  WriterId id_ = 0;
};

}  // namespace strandline
