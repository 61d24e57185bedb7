#include <strandline/testing/scripted_driver.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

namespace strandline {

namespace {

constexpr std::uint64_t kBlock = 4096;

// Where a run of bytes lies in its first block.
struct Place {
  std::uint64_t block;
  std::size_t at;
  std::size_t count;
};
Place first_place(std::uint64_t offset, std::size_t size) noexcept {
  const auto at = static_cast<std::size_t>(offset % kBlock);
  return {offset / kBlock, at, std::min(size, static_cast<std::size_t>(kBlock) - at)};
}

ByteRange range_of(std::uint64_t offset, std::size_t size) noexcept {
  return {offset, offset + size};
}

}  // namespace

void ScriptedStorage::expect(bool kept, const char* contract) const {
  if (!kept && script_) {
    script_->report_breach(contract);
  }
}

void ScriptedStorage::expect_open() const {
  MutexLock lock(mutex_);
  expect(phase_ != Phase::fresh, "a call before open()");
}

Result<DriverState> ScriptedStorage::open(Options options) {
  script_ = options.script ? std::move(options.script) : std::make_shared<Script>();
  capacity_ = options.capacity;
  overflow_ = options.overflow;
  if (auto entered = script_->enter(DriverCall::open, {}); !entered) {
    return fail(std::move(entered.error()));
  }
  MutexLock lock(mutex_);
  expect(phase_ == Phase::fresh, "open() a second time");
  for (const auto& [offset, bytes] : options.content) {
    const auto range = ByteRange::from_size(offset, bytes.size());
    if (!range) {
      return fail(range.error().clone());
    }
    put_locked(offset, bytes);
    if (auto kept = written_.insert(*range); !kept) {
      return fail(std::move(kept.error()));
    }
  }
  DriverState state;
  if (options.state) {
    state = std::move(*options.state);
  } else {
    auto available = written_.clone();
    if (!available) {
      return fail(std::move(available.error()));
    }
    state.available = std::move(*available);
    state.committed = options.committed;
    if (state.committed) {
      state.length = written_.end_offset();
    }
  }
  phase_ = state.committed ? Phase::committed : Phase::writable;
  return state;
}

Result<std::size_t> ScriptedStorage::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  expect_open();
  expect(!out.empty(), "an empty read");
  auto bytes = script_->enter(DriverCall::read, range_of(offset, out.size()));
  if (!bytes) {
    return fail(std::move(bytes.error()));
  }
  MutexLock lock(mutex_);
  if (!written_.covers(range_of(offset, out.size()))) {
    expect(evicted_, "a read of bytes that were never written");  // it may have begun before they were given up
    return fail(Errc::io, "scripted driver: never written");
  }
  take_locked(offset, out.first(*bytes));
  return *bytes;
}

Result<std::size_t> ScriptedStorage::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  const ByteRange range = range_of(offset, data.size());
  {
    MutexLock lock(mutex_);
    expect(phase_ == Phase::writable, "a write while not writable");
    expect(!data.empty() && range.valid(), "an empty write, or one past 2^63 - 1");
    const auto after = writing_.lower_bound(range.end);
    expect(after == writing_.begin() || std::prev(after)->second <= range.begin, "two writes over one byte at a time");
    writing_.emplace(range.begin, range.end);
  }
  // A scripted exception must not leave the write in flight.
  struct Landing {
    ~Landing() {
      MutexLock lock(storage.mutex_);
      storage.writing_.erase(begin);
    }
    ScriptedStorage& storage;
    const std::uint64_t begin;
  };
  const Landing landing{*this, range.begin};

  auto bytes = script_->enter(DriverCall::write, range);
  if (!bytes || *bytes == 0) {
    return bytes;
  }
  MutexLock lock(mutex_);
  expect(phase_ == Phase::writable, "a commit during a write");
  put_locked(offset, data.first(*bytes));
  if (auto kept = written_.insert(range_of(offset, *bytes)); !kept) {
    return fail(std::move(kept.error()));
  }
  return *bytes;
}

Result<void> ScriptedStorage::commit(std::uint64_t length) {
  {
    MutexLock lock(mutex_);
    expect(phase_ == Phase::writable, "a commit while not writable");
    expect(writing_.empty(), "a commit during a write");
    phase_ = Phase::committing;
  }
  // After an error, or an exception, the storage is writable as before.
  struct Verdict {
    ~Verdict() {
      MutexLock lock(storage.mutex_);
      storage.phase_ = phase;
    }
    ScriptedStorage& storage;
    Phase phase = Phase::writable;
  };
  Verdict verdict{*this};

  if (auto entered = script_->enter(DriverCall::commit, {0, length}); !entered) {
    return fail(std::move(entered.error()));
  }
  MutexLock lock(mutex_);
  if (const auto last = blocks_.find(length / kBlock); last != blocks_.end()) {
    // A view may show bytes past the length, and keeps them; after reactivate() others are written there.
    last->second = std::make_shared<Block>(*last->second);
  }
  if (auto dropped = written_.erase({length, kMaxOffset}); !dropped) {
    return fail(std::move(dropped.error()));
  }
  blocks_.erase(blocks_.lower_bound((length + kBlock - 1) / kBlock), blocks_.end());
  verdict.phase = Phase::committed;
  return {};
}

Result<void> ScriptedStorage::reactivate() {
  if (auto entered = script_->enter(DriverCall::reactivate, {}); !entered) {
    return fail(std::move(entered.error()));
  }
  MutexLock lock(mutex_);
  expect(phase_ == Phase::committed, "reactivate() without a commit");
  phase_ = Phase::writable;
  return {};
}

std::uint64_t ScriptedStorage::storage_len() const {
  MutexLock lock(mutex_);
  return written_.end_offset();
}

Result<DriverView> ScriptedStorage::view(ByteRange range) const {
  expect_open();
  if (auto entered = script_->enter(DriverCall::view, range); !entered) {
    return fail(std::move(entered.error()));
  }
  MutexLock lock(mutex_);
  if (range.empty()) {
    return DriverView{};
  }
  if (!written_.covers(range)) {
    expect(false, "a view of bytes that were never written");
    return fail(Errc::io, "scripted driver: never written");
  }
  const Place place = first_place(range.begin, range.size());
  if (place.count == range.size()) {
    const std::shared_ptr<Block>& block = blocks_.at(place.block);
    return DriverView{std::span<const std::byte>(*block).subspan(place.at, place.count), block};
  }
  const auto copy = std::make_shared<std::vector<std::byte>>(range.size());
  take_locked(range.begin, *copy);
  return DriverView{*copy, copy};
}

Result<void> ScriptedStorage::sync() {
  expect_open();
  if (auto entered = script_->enter(DriverCall::sync, {}); !entered) {
    return fail(std::move(entered.error()));
  }
  return {};
}

Result<void> ScriptedStorage::evict(ByteRange range) {
  expect_open();
  if (auto entered = script_->enter(DriverCall::evict, range); !entered) {
    return fail(std::move(entered.error()));
  }
  MutexLock lock(mutex_);
  expect(phase_ != Phase::committing, "an eviction during a commit");
  const auto after = writing_.lower_bound(range.end);
  expect(after == writing_.begin() || std::prev(after)->second <= range.begin, "an eviction of what is being written");
  for (auto block = blocks_.lower_bound(range.begin / kBlock);
       block != blocks_.end() && block->first * kBlock < range.end; ++block) {
    // A view may show its bytes, and keeps them; others may be written here.
    block->second = std::make_shared<Block>(*block->second);
  }
  evicted_ = true;
  if (auto erased = written_.erase(range); !erased) {
    return fail(std::move(erased.error()));
  }
  phase_ = Phase::writable;
  return {};
}

void ScriptedStorage::discard(ByteRange range) noexcept {
  try {
    if (!script_->enter(DriverCall::discard, range)) {
      return;
    }
    MutexLock lock(mutex_);
    if (!written_.erase(range)) {
      return;  // advice only: without memory it is left undone
    }
    for (auto block = blocks_.lower_bound(range.begin / kBlock);
         block != blocks_.end() && block->first * kBlock < range.end;) {
      const ByteRange whole = range_of(block->first * kBlock, kBlock);
      const bool unused = !written_.intersects(whole.clamped_to({0, kMaxOffset})) && writing_.empty();
      block = unused ? blocks_.erase(block) : std::next(block);
    }
  } catch (...) {
    return;  // what the script throws has nowhere to go
  }
}

Result<void> ScriptedStorage::begin_rewrite(ScriptedStorage& next) {
  expect_open();
  if (auto entered = script_->enter(DriverCall::rewrite, {}); !entered) {
    return fail(std::move(entered.error()));
  }
  next.script_ = script_;
  next.capacity_ = capacity_;
  next.overflow_ = overflow_;
  MutexLock lock(next.mutex_);
  next.phase_ = Phase::writable;
  return {};
}

// Makes all blocks before it changes a byte, so that a failed allocation changes none.
void ScriptedStorage::put_locked(std::uint64_t offset, std::span<const std::byte> data) {
  for (auto [at, rest] = std::pair(offset, data.size()); rest > 0;) {
    const Place place = first_place(at, rest);
    // Made before it is put in: without memory no empty place stays behind.
    if (!blocks_.contains(place.block)) {
      blocks_.emplace(place.block, std::make_shared<Block>());
    }
    at += place.count;
    rest -= place.count;
  }
  while (!data.empty()) {
    const Place place = first_place(offset, data.size());
    std::memcpy(blocks_[place.block]->data() + place.at, data.data(), place.count);
    offset += place.count;
    data = data.subspan(place.count);
  }
}

void ScriptedStorage::take_locked(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Place place = first_place(offset, out.size());
    std::memcpy(out.data(), blocks_.at(place.block)->data() + place.at, place.count);
    offset += place.count;
    out = out.subspan(place.count);
  }
}

Result<std::unique_ptr<ScriptedDriver>> ScriptedDriver::rewrite() {
  auto next = std::make_unique<ScriptedDriver>();
  if (auto begun = begin_rewrite(*next); !begun) {
    return fail(std::move(begun.error()));
  }
  return next;
}

Result<std::unique_ptr<WindowedScriptedDriver>> WindowedScriptedDriver::rewrite() {
  auto next = std::make_unique<WindowedScriptedDriver>();
  if (auto begun = begin_rewrite(*next); !begun) {
    return fail(std::move(begun.error()));
  }
  return next;
}

}  // namespace strandline
