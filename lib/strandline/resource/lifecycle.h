// Lifecycle: the state machine of a resource, pure: no bytes, no locks, no clock.
// Threads: a value, guarded by the resource's lock. Blocks: never. Errors: every step answers the Errc that
// refuses it, and then changes nothing. Cost: O(1). Lifetime: a value. tests/resource/ holds its table.
#pragma once

#include <strandline/resource/status.h>

#include <cstdint>
#include <optional>

namespace strandline {

// Who is going to bring the missing bytes.
enum class Supply : std::uint8_t {
  awaited,  // nobody yet: just opened, or handed over
  writing,  // a writer
  stopped   // nobody: the last writer said that none follows
};

// Invariants: supply == writing only while active; a cancelled resource never changes again;
// rewriting implies sealed; generation <= newest, and they differ only while rewriting or after a
// rewrite that failed.
class Lifecycle {
 public:
  using Refusal = std::optional<Errc>;

  constexpr explicit Lifecycle(bool committed = false) noexcept
      : state_(committed ? State::committed : State::active), sealed_(committed) {}

  [[nodiscard]] constexpr State state() const noexcept { return state_; }
  [[nodiscard]] constexpr Supply supply() const noexcept { return supply_; }
  // The generation that readers see.
  [[nodiscard]] constexpr std::uint64_t generation() const noexcept { return generation_; }
  // The generation that a writer fills.
  [[nodiscard]] constexpr std::uint64_t filling() const noexcept { return rewriting_ ? newest_ : generation_; }
  // Is what readers see committed content? It stays so while a rewrite runs, and when that fails.
  [[nodiscard]] constexpr bool sealed() const noexcept { return sealed_; }
  // Is a generation being written that readers do not see yet?
  [[nodiscard]] constexpr bool rewriting() const noexcept { return rewriting_; }
  [[nodiscard]] constexpr std::uint64_t writer() const noexcept { return writer_; }

  // A new writer; its number is writer().
  [[nodiscard]] constexpr Refusal take_writer() noexcept {
    if (const Refusal refusal = not_active()) {
      return refusal;
    }
    if (supply_ == Supply::writing) {
      return Errc::busy;
    }
    start_writer();
    return {};
  }

  // May this writer change the content?
  [[nodiscard]] constexpr Refusal may_write(std::uint64_t writer) const noexcept {
    if (state_ == State::cancelled) {
      return Errc::cancelled;
    }
    if (writer != writer_) {
      return Errc::no_writer;
    }
    if (const Refusal refusal = not_active()) {
      return refusal;
    }
    if (supply_ != Supply::writing) {
      return Errc::no_writer;
    }
    return {};
  }

  [[nodiscard]] constexpr Refusal commit(std::uint64_t writer) noexcept {
    if (const Refusal refusal = may_write(writer)) {
      return refusal;
    }
    generation_ = filling();
    rewriting_ = false;
    sealed_ = true;
    state_ = State::committed;
    supply_ = Supply::awaited;
    return {};
  }

  // Ends a rewrite without a trace: what readers saw, they go on seeing.
  [[nodiscard]] constexpr Refusal fail(std::uint64_t writer) noexcept {
    if (const Refusal refusal = may_write(writer)) {
      return refusal;
    }
    rewriting_ = false;
    state_ = State::failed;
    supply_ = Supply::awaited;
    return {};
  }

  [[nodiscard]] constexpr Refusal abandon(std::uint64_t writer, Abandon how) noexcept {
    if (const Refusal refusal = may_write(writer)) {
      return refusal;
    }
    supply_ = how == Abandon::stop ? Supply::stopped : Supply::awaited;
    return {};
  }

  [[nodiscard]] constexpr Refusal may_reactivate() const noexcept {
    if (state_ == State::cancelled) {
      return Errc::cancelled;
    }
    if (supply_ == Supply::writing) {
      return Errc::busy;
    }
    return {};
  }

  // A new writer, on the same content or on a new generation. Resuming while a rewrite stands
  // abandoned goes on with that rewrite.
  [[nodiscard]] constexpr Refusal reactivate(Reactivate mode) noexcept {
    if (const Refusal refusal = may_reactivate()) {
      return refusal;
    }
    if (mode == Reactivate::rewrite) {
      ++newest_;
      rewriting_ = sealed_;
      if (!sealed_) {
        generation_ = newest_;
      }
    } else if (!rewriting_) {
      sealed_ = false;
    }
    state_ = State::active;
    start_writer();
    return {};
  }

  // Bytes are taken away from what readers see: it is not complete any more, and nobody brings them back yet.
  [[nodiscard]] constexpr Refusal may_lose() const noexcept {
    if (state_ == State::cancelled) {
      return Errc::cancelled;
    }
    return rewriting_ ? Refusal(Errc::busy) : Refusal();
  }
  constexpr void lose() noexcept {
    sealed_ = false;
    if (state_ == State::committed) {
      state_ = State::active;
      supply_ = Supply::stopped;
    }
  }

  // Gives up an abandoned rewrite: what readers see is the committed content, and that is all there is.
  constexpr void drop_rewrite() noexcept {
    rewriting_ = false;
    state_ = State::committed;
    supply_ = Supply::awaited;
  }

  constexpr void cancel() noexcept {
    state_ = State::cancelled;
    supply_ = Supply::stopped;
  }

 private:
  [[nodiscard]] constexpr Refusal not_active() const noexcept {
    switch (state_) {
      case State::active:
        return {};
      case State::committed:
        return Errc::committed;
      case State::failed:
        return Errc::failed;
      case State::cancelled:
        break;
    }
    return Errc::cancelled;
  }
  constexpr void start_writer() noexcept {
    supply_ = Supply::writing;
    ++writer_;
  }

  State state_;
  Supply supply_ = Supply::awaited;
  bool sealed_;
  bool rewriting_ = false;
  std::uint64_t generation_ = 1;
  std::uint64_t newest_ = 1;
  std::uint64_t writer_ = 0;  // the last writer's number; 0 before the first
};

}  // namespace strandline
