// Cursor<D>: a streaming reader with a position; CursorStreambuf: a std::streambuf over one.
// Threads: one at a time per cursor. Blocks: read() until the next byte is there. Errors: as wait_range(), and
// timed_out, interrupted. Cost: read: one wait and one copy; a cursor: an allocation. Lifetime: a handle. On a ring
// that blocks, a cursor holds the writer back from its position on; one the window has passed holds nothing.
#pragma once

#include <strandline/resource/writer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <streambuf>
#include <utility>

namespace strandline {

template <Driver D>
class Cursor {
 public:
  // Made by Resource::cursor().
  Cursor(std::shared_ptr<ResourceHandle> handle, Core::CursorSlot slot, std::uint64_t position) noexcept
      : handle_(std::move(handle)), slot_(slot), position_(position) {}
  Cursor(Cursor&& other) noexcept : handle_(std::move(other.handle_)), slot_(other.slot_), position_(other.position_) {}
  Cursor& operator=(Cursor&& other) noexcept {
    if (this != &other) {
      leave();
      handle_ = std::move(other.handle_);
      slot_ = other.slot_;
      position_ = other.position_;
    }
    return *this;
  }
  ~Cursor() { leave(); }

  // Waits until the byte at the position is there, copies what follows it without a break, and moves on by
  // what it copied; 0 at the end. A deadline or stop is Errc::timed_out or interrupted; `until` is not used.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> out, WaitOptions options = {}) {
    const std::shared_ptr<Core> core = handle_->core();
    options.until = WaitFor::any;
    for (;;) {
      // No byte can stand at kMaxOffset or past it: there, an empty read.
      const std::uint64_t room = kMaxOffset - position_;
      const auto part = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), room)));
      auto count = core->read(position_, part, Extent::some);
      if (count) {
        advance_to(position_ + *count);
      }
      if (count || count.error().code != Errc::not_available) {
        return count;
      }
      const auto outcome = core->wait({position_, position_ + part.size()}, options);
      if (!outcome) {
        return strandline::fail(outcome.error().clone());
      }
      if (*outcome == WaitOutcome::timed_out || *outcome == WaitOutcome::interrupted) {
        return strandline::fail(*outcome == WaitOutcome::timed_out ? Errc::timed_out : Errc::interrupted, "read");
      }
      if (*outcome == WaitOutcome::eof) {
        return 0;
      }
      // Ready: read again. It may have been evicted in between, which read() then says.
    }
  }

  // Any offset up to 2^63 - 1, else invalid_range; whether bytes are there shows when reading.
  [[nodiscard]] Result<void> seek(std::uint64_t position) {
    if (position > kMaxOffset) {
      return strandline::fail(Errc::invalid_range, "seek");
    }
    advance_to(position);
    return {};
  }
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return handle_->core()->length(); }

 private:
  void advance_to(std::uint64_t position) noexcept {
    position_ = position;
    handle_->core()->move_cursor(slot_, position);
  }
  void leave() noexcept {
    if (handle_) {
      handle_->core()->remove_cursor(slot_);
      handle_.reset();
    }
  }

  std::shared_ptr<ResourceHandle> handle_;
  Core::CursorSlot slot_;  // while there is a handle
  std::uint64_t position_ = 0;
};

// For code that reads std::istream. Underflow waits as read() does; an error ends the stream and is
// kept in error(). Seeking works from the beginning, from here, and from a known end.
template <Driver D>
class CursorStreambuf final : public std::streambuf {
 public:
  explicit CursorStreambuf(Cursor<D> cursor, WaitOptions options = {})
      : cursor_(std::move(cursor)), options_(std::move(options)) {}

  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 private:
  int_type underflow() override {
    if (gptr() < egptr()) {
      return traits_type::to_int_type(*gptr());
    }
    const auto count = cursor_.read(std::as_writable_bytes(std::span(buffer_)), options_);
    if (!count) {
      error_ = count.error().clone();
    }
    const std::size_t size = count ? *count : 0;
    setg(buffer_.data(), buffer_.data(), buffer_.data() + size);
    return size == 0 ? traits_type::eof() : traits_type::to_int_type(*gptr());
  }

  pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode which) override {
    off_type base = 0;
    if (from == std::ios_base::cur) {
      base = static_cast<off_type>(cursor_.position()) - (egptr() - gptr());
    } else if (from == std::ios_base::end) {
      const auto length = cursor_.length();
      if (!length) {
        return pos_type(off_type(-1));
      }
      base = static_cast<off_type>(*length);
    }
    off_type target = 0;
    if (__builtin_add_overflow(base, offset, &target)) {
      return pos_type(off_type(-1));
    }
    return seekpos(pos_type(target), which);
  }

  pos_type seekpos(pos_type position, std::ios_base::openmode which) override {
    const off_type target = position;
    if (target < 0 || (which & std::ios_base::in) == 0 || !cursor_.seek(static_cast<std::uint64_t>(target))) {
      return pos_type(off_type(-1));
    }
    setg(buffer_.data(), buffer_.data(), buffer_.data());
    return position;
  }

  Cursor<D> cursor_;
  const WaitOptions options_;
  std::optional<Error> error_;
  std::array<char, 65536> buffer_;
};

}  // namespace strandline
