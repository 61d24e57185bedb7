// Model: what a resource must do, said a second time, as plainly as can be: one optional byte per offset.
// Threads: one. Blocks: never; a call that would have to wait answers timed_out, or interrupted when its stop was
// requested. Errors: the Errc a resource must answer. Cost: loops over every byte. Lifetime: a value. It shares only
// plain types with the library, so that no mistake is made twice: no RangeSet, no Availability.
#pragma once

#include <strandline/driver/driver.h>
#include <strandline/resource/demand.h>
#include <strandline/resource/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::testing {

// Where a program's bytes lie: [base, base + size) one by one. [0, base) is written as a whole, what lies behind never.
struct Universe {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  [[nodiscard]] std::uint64_t end() const noexcept { return base + size; }
};

// What the model must know of a driver.
struct Traits {
  std::optional<std::uint64_t> capacity;  // of a window
  Overflow overflow = Overflow::overwrite;
  bool rewrite = true;
  bool view = true;
  bool sync = true;
  bool evict = false;
};

// An error, or a count, a number or a WaitOutcome.
struct Answer {
  std::optional<Errc> error;
  std::uint64_t value = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};
[[nodiscard]] std::string to_string(const Answer& answer);

struct Happening {
  enum class Kind : std::uint8_t { write, evict, commit, fail, reactivate };
  Kind kind = Kind::write;
  ByteRange range;          // write, evict
  std::uint64_t value = 0;  // commit: length; fail: Errc; reactivate: generation
  friend bool operator==(const Happening&, const Happening&) = default;
};
[[nodiscard]] std::string to_string(const Happening& happening);

// For the length of one step every call of a kind covers at most `part` bytes; or the `nth` and all later ones fail.
struct Fault {
  // `claim` is no driver call: it stands for what a write needs memory for, before it changes anything.
  enum class Call : std::uint8_t { read, write, commit, reactivate, rewrite, view, sync, evict, claim };
  Call call = Call::write;
  std::uint64_t nth = 1;
  std::optional<std::size_t> part;  // read, write: at least 1
  Errc error = Errc::io;
};

class Model {
 public:
  // `committed`: opens with these bytes from offset 0 on, complete.
  Model(Universe universe, Traits traits, std::optional<std::vector<std::byte>> committed = {});

  void set_fault(std::optional<Fault> fault) { fault_ = fault; }

  [[nodiscard]] Answer take_writer();                // value: the writer's number
  [[nodiscard]] Answer reactivate(Reactivate mode);  // likewise
  [[nodiscard]] Answer write(std::uint64_t writer, std::uint64_t offset, std::span<const std::byte> data, bool stopped);
  [[nodiscard]] Answer set_length(std::uint64_t writer, std::uint64_t length);
  [[nodiscard]] Answer commit(std::uint64_t writer, std::optional<std::uint64_t> length);
  [[nodiscard]] Answer fail(std::uint64_t writer, Errc code);
  [[nodiscard]] Answer abandon(std::uint64_t writer, Abandon how);
  [[nodiscard]] Answer sync(std::uint64_t writer);
  void drop_writer(std::uint64_t writer);
  [[nodiscard]] Answer give_up(ByteRange range);  // evict(); value: bytes
  void cancel();
  void interrupt();

  [[nodiscard]] Answer read(std::uint64_t offset, std::uint64_t size);
  // As a cursor reads: waits for the first byte, takes what follows it without a break.
  [[nodiscard]] Answer read_some(std::uint64_t offset, std::uint64_t size, bool stopped);
  // Waits for all of it, then reads.
  [[nodiscard]] Answer wait_read(std::uint64_t offset, std::uint64_t size, bool stopped);
  // With a deadline that has passed.
  [[nodiscard]] Answer wait(ByteRange range, WaitFor until, bool stopped) const;
  // A wait without one, from its start until it is asked for and then forgotten by take_outcome().
  [[nodiscard]] std::uint64_t park(ByteRange range, WaitFor until, bool stopped, Urgency urgency = Urgency::reader);
  [[nodiscard]] std::optional<Answer> outcome(std::uint64_t wait) const;
  void stop_wait(std::uint64_t wait);
  void forget_wait(std::uint64_t wait) { waits_.erase(wait); }
  [[nodiscard]] std::uint64_t parked() const;
  // Of a parked wait: from the first byte that it lacks to the end of what it asked for.
  [[nodiscard]] std::optional<ByteRange> lacks(std::uint64_t wait) const;
  // By offset; of one that several urgencies wait for, readers first.
  [[nodiscard]] std::vector<Demand> demand() const;

  [[nodiscard]] Answer view(ByteRange range);  // value: bytes
  // The view holds its bytes in a window from its first byte on, until it is dropped.
  std::optional<std::uint64_t> pin(ByteRange range);
  void unpin(std::uint64_t pin) { pins_.erase(pin); }
  std::uint64_t add_cursor(std::uint64_t position);
  void move_cursor(std::uint64_t cursor, std::uint64_t position) { cursors_[cursor] = position; }
  void drop_cursor(std::uint64_t cursor) { cursors_.erase(cursor); }

  [[nodiscard]] bool contains(ByteRange range) const;
  [[nodiscard]] std::vector<ByteRange> available() const;
  [[nodiscard]] std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const;
  // Of an available offset.
  [[nodiscard]] std::byte byte_at(std::uint64_t offset) const;
  [[nodiscard]] std::optional<std::uint64_t> length() const { return readable_.length; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] std::optional<Errc> error() const { return error_; }
  // Is a generation being filled that readers do not see?
  [[nodiscard]] bool rewriting() const { return next_.has_value(); }
  // The gap that the last commit stumbled on.
  [[nodiscard]] ByteRange stumbling_gap() const { return stumbling_gap_; }

  // What observers must have been told, in order; the caller takes them out.
  std::vector<Happening> log;

  // The bytes that programs write: the same at an offset for the same variant; different variants agree at some.
  [[nodiscard]] static std::byte pattern(const Universe& universe, std::uint64_t offset, unsigned variant);

 private:
  enum class Supply : std::uint8_t { awaited, writing, stopped };
  struct Content {
    std::vector<std::optional<std::byte>> bytes;
    std::uint64_t prefix = 0;  // [0, prefix) of [0, base) is there
    std::uint64_t reach = 0;   // one past the last byte that was written
    std::optional<std::uint64_t> length;
    std::uint64_t window = 0;
  };
  struct Wait {
    ByteRange range;
    WaitFor until;
    Urgency urgency = Urgency::reader;
    std::optional<Answer> outcome;
  };

  [[nodiscard]] Content empty_content() const;
  [[nodiscard]] Content& filling() { return next_ ? *next_ : readable_; }
  [[nodiscard]] std::uint64_t filling_generation() const { return next_ ? newest_ : generation_; }
  [[nodiscard]] bool has(const Content& content, std::uint64_t offset) const;
  [[nodiscard]] std::optional<ByteRange> first_run(const Content& content, ByteRange range, bool wanted) const;
  [[nodiscard]] std::vector<ByteRange> runs(const Content& content, ByteRange range, bool wanted) const;
  [[nodiscard]] std::uint64_t end_of(const Content& content) const;
  void erase(Content& content, ByteRange range);
  void evict(Content& content, ByteRange range);

  [[nodiscard]] std::optional<Errc> may_write(std::uint64_t writer) const;
  [[nodiscard]] ByteRange part_of_write(ByteRange rest) const;
  void move_window(std::uint64_t end);
  [[nodiscard]] bool pinned(ByteRange part) const;
  [[nodiscard]] Answer write_part(ByteRange part, std::uint64_t offset, std::span<const std::byte> data);
  [[nodiscard]] std::optional<Fault> next_call(Fault::Call call);
  void end_as_failed(Errc code);
  [[nodiscard]] std::optional<Answer> verdict(ByteRange range, WaitFor until) const;
  void judge_waits();

  Universe universe_;
  Traits traits_;
  std::optional<Fault> fault_;

  State state_ = State::active;
  Supply supply_ = Supply::awaited;
  bool sealed_ = false;  // is what readers see committed?
  std::uint64_t generation_ = 1;
  std::uint64_t newest_ = 1;
  std::uint64_t writer_ = 0;
  std::optional<Errc> error_;
  Content readable_;
  std::optional<Content> next_;  // what a rewrite of committed content fills
  ByteRange stumbling_gap_;

  std::map<std::uint64_t, Wait> waits_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::pair<std::uint64_t, ByteRange>> pins_;  // generation, bytes
  std::map<std::uint64_t, std::uint64_t> cursors_;
};

}  // namespace strandline::testing
