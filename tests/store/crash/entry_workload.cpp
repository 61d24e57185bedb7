#include <tests/store/crash/entry_workload.h>

#include <algorithm>
#include <utility>

namespace strandline::testing {

namespace {

// Of the complete content.
std::uint64_t length_of(std::uint64_t version) {
  return 160 * 1024 - version * 1000;
}
// No byte is zero: what is lost and read back as zeros is found.
std::byte byte_of(std::uint64_t offset, std::uint64_t version, std::uint64_t times_dropped) {
  return static_cast<std::byte>(1 + (offset * 131 + (offset >> 8) * 17 + version * 59 + times_dropped * 31) % 255);
}

// Of every size, so that each has another one beside it cut off.
std::vector<std::byte> note_of(std::uint64_t number) {
  std::vector<std::byte> note;
  for (std::uint64_t at = 0; number != 0 && at < 1 + number * 997 % store::kMaxNote; ++at) {
    note.push_back(byte_of(at, number, 0));
  }
  return note;
}

RangeSet copy_of(const RangeSet& set) {
  return std::move(*set.clone());
}
void add(RangeSet& set, ByteRange range) {
  static_cast<void>(set.insert(range).value());
}
void take(RangeSet& set, ByteRange range) {
  static_cast<void>(set.erase(range).value());
}
std::vector<ByteRange> gaps_of(const RangeSet& set, ByteRange range) {
  return set.gaps(range).value();
}

}  // namespace

EntryWorkload::Model EntryWorkload::Model::clone() const {
  Model copy;
  copy.version = version;
  for (const auto& [number, one] : versions) {
    copy.versions[number] = {copy_of(one.attempted), one.sealed, one.lengths, one.dropped};
  }
  copy.sure = {copy_of(sure.written), copy_of(sure.synced), sure.notes, sure.notes_after_power};
  copy.cut_blocks = cut_blocks;
  return copy;
}

EntryWorkload::EntryWorkload(std::uint64_t seed, std::shared_ptr<const store::SecretKey> secret)
    : seed_(seed), secret_(std::move(secret)), random_(seed) {}

std::uint64_t EntryWorkload::end() const {
  return length_.value_or(length_of(model_.version));
}

std::vector<std::byte> EntryWorkload::bytes_of(ByteRange range) {
  const auto& dropped = version().dropped;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = range.begin; at < range.end; ++at) {
    const auto times = std::count_if(dropped.begin(), dropped.end(), [at](std::uint64_t from) { return from <= at; });
    bytes.push_back(byte_of(at, model_.version, static_cast<std::uint64_t>(times)));
  }
  return bytes;
}

bool EntryWorkload::wrong(const std::string& what) {
  if (violation_.empty()) {
    violation_ = "seed " + std::to_string(seed_) + ", version " + std::to_string(model_.version) + ": " + what;
  }
  return false;
}

template <class T>
bool EntryWorkload::done(const char* call, const Result<T>& result) {
  if (!result && !dead()) {
    return wrong(std::string(call) + ": " + result.error().message());
  }
  return result.has_value();
}

bool EntryWorkload::check(const DriverState& state, Crash after) {
  const Version& version = this->version();
  if (state.length && *state.length != length_of(model_.version) && !version.lengths.contains(*state.length)) {
    return wrong("another length");
  }
  if (state.committed && (!version.sealed || !state.blocks.covers({0, *state.length}))) {
    return wrong("committed without having been so");
  }
  for (const ByteRange run : state.blocks.runs()) {
    if (!version.attempted.covers(run)) {
      return wrong(to_string(run) + " is there and was never written");
    }
    std::vector<std::byte> bytes(run.size());
    for (std::size_t have = 0; have < bytes.size();) {
      const auto count = driver_->read_at(run.begin + have, std::span(bytes).subspan(have));
      if (!count) {
        return wrong("reading " + to_string(run) + ": " + count.error().message());
      }
      have += *count;
    }
    if (bytes != bytes_of(run)) {
      return wrong(to_string(run) + " holds other bytes than were written");
    }
  }
  const auto note = driver_->note();
  const auto& notes = after == Crash::power ? model_.sure.notes_after_power : model_.sure.notes;
  const auto is_found = [&](std::uint64_t number) { return note && *note == note_of(number); };
  const auto found = std::find_if(notes.begin(), notes.end(), is_found);
  if (found == notes.end()) {
    return wrong("another note than was written");
  }
  found_note_ = *found;
  for (const ByteRange run : after == Crash::power ? model_.sure.synced : model_.sure.written) {
    if (!state.blocks.covers(run)) {
      return wrong(to_string(run) + (after == Crash::power ? " was synced" : " was written") + " and is lost");
    }
  }
  return true;
}

bool EntryWorkload::open(const Place& place, Crash after) {
  place_ = place;
  driver_ = std::make_unique<store::EntryDriver>();
  store::EntryDriver::Options options;
  options.files = place.files;
  options.name = place.name;
  options.key = "key";
  options.secret = secret_;
  options.validator = {store::Validator::Kind::strong, "v" + std::to_string(model_.version)};
  if (model_.version % 2 == 0) {
    options.length = length_of(model_.version);
  }
  if (model_.version % 3 == 0) {
    options.durability = store::Durability::every_commit;
  }
  auto state = driver_->open(std::move(options));
  if (!state) {
    driver_.reset();
    return dead() || wrong("open: " + state.error().message());
  }
  if (!check(*state, after)) {
    return dead();
  }
  available_ = state->blocks.ranges().value();
  sealed_ = state->committed;
  length_ = state->length;
  if (after != Crash::none) {
    model_.sure.written = copy_of(available_);
    model_.sure.notes = {found_note_};
    // After a power cut all that is left is on the disk; after a kill what is sure of it is what it was.
    if (after == Crash::power) {
      model_.sure.synced = copy_of(available_);
      note_is_sure();
    }
    changed();
  }
  return true;
}

void EntryWorkload::write() {
  const std::uint64_t begin = random_() % end();
  const ByteRange wanted{begin, std::min(begin + 1 + random_() % 40000, end())};
  for (const ByteRange gap : gaps_of(available_, wanted)) {
    if (!write_piece(gap)) {
      return;
    }
  }
}

// As the core does: again until all of it is written.
bool EntryWorkload::write_piece(ByteRange range) {
  add(version().attempted, range);
  changed();
  while (!range.empty()) {
    const std::uint64_t block = range.begin / store::kChecksumBlock;
    const ByteRange beside{block * store::kChecksumBlock, (block + 1) * store::kChecksumBlock};
    const bool seals_anew = secret_ != nullptr && model_.cut_blocks.contains(block);
    if (seals_anew) {
      take(model_.sure.written, beside);
      take(model_.sure.synced, beside);
      changed();
    }
    const auto data = bytes_of(range);
    const auto count = driver_->write_at(range.begin, data);
    if (!done("write", count)) {
      return false;
    }
    add(available_, {range.begin, range.begin + *count});
    add(model_.sure.written, {range.begin, range.begin + *count});
    if (seals_anew) {
      const auto there = available_.covered(beside).value();
      for (const ByteRange run : there) {
        add(model_.sure.written, run);
      }
    }
    range.begin += *count;
  }
  return true;
}

// Whatever becomes of the call that gives it up.
void EntryWorkload::forget(ByteRange range) {
  take(available_, range);
  take(model_.sure.written, range);
  take(model_.sure.synced, range);
}

void EntryWorkload::evict() {
  const std::uint64_t begin = random_() % kRoom;
  const ByteRange range{begin, std::min(begin + 1 + random_() % 60000, kRoom)};
  forget(range);
  const auto block_of = [](std::uint64_t at) { return at / store::kChecksumBlock; };
  auto& cut = model_.cut_blocks;
  cut.erase(cut.lower_bound(block_of(range.begin)), cut.upper_bound(block_of(range.end - 1)));
  cut.insert({block_of(range.begin), block_of(range.end - 1)});
  changed();
  static_cast<void>(done("evict", driver_->evict(range)));
}

void EntryWorkload::commit() {
  const ByteRange whole{0, end()};
  for (const ByteRange gap : gaps_of(available_, whole)) {
    if (!write_piece(gap)) {
      return;
    }
  }
  version().sealed = true;
  changed();
  if (done("commit", driver_->commit(whole.end))) {
    sealed_ = true;
    length_ = whole.end;
    if (model_.version % 3 == 0) {
      model_.sure.synced = copy_of(available_);
      note_is_sure();
      ++promises_;
      changed();
    }
  }
}

// Only while the length is unknown: the core refuses another.
void EntryWorkload::commit_below_and_reopen() {
  const std::uint64_t prefix = available_.covered_prefix({0, kRoom});
  if (length_ || prefix == 0) {
    return;
  }
  const std::uint64_t length = 1 + random_() % prefix;
  forget({length, kRoom});
  version().sealed = true;
  version().lengths.insert(length);
  model_.cut_blocks.insert(length / store::kChecksumBlock);
  changed();
  if (!done("commit", driver_->commit(length)) || !done("reactivate", driver_->reactivate())) {
    return;
  }
  take(version().attempted, {length, kRoom});
  version().dropped.push_back(length);
  changed();
}

void EntryWorkload::sync() {
  auto before = copy_of(available_);
  if (done("sync", driver_->sync())) {
    model_.sure.synced = std::move(before);
    note_is_sure();
    ++promises_;
    changed();
  }
}

void EntryWorkload::note() {
  const std::uint64_t number = random_() % 8 == 0 ? 0 : ++notes_;
  model_.sure.notes.insert(number);
  model_.sure.notes_after_power.insert(number);
  changed();
  std::uint64_t reserved = 0;
  if (done("note", driver_->set_note(note_of(number), reserved))) {
    model_.sure.notes = {number};
    changed();
  }
}

void EntryWorkload::reopen() {
  driver_.reset();
  if (random_() % 4 == 0) {
    // Another version, or back to one that was: nothing is sure of it.
    model_.version = random_() % 3 == 0 && model_.version > 1 ? model_.version - 1 : model_.version + 1;
    model_.sure = Sure{};
    model_.cut_blocks.clear();
    changed();
  }
  static_cast<void>(open(place_, Crash::none));
}

bool EntryWorkload::step() {
  switch (random_() % 16) {
    case 0:
      sync();
      break;
    case 1:
    case 2:
      evict();
      break;
    case 3:
      if (!sealed_) {
        random_() % 2 == 0 ? commit() : commit_below_and_reopen();
      }
      break;
    case 4:
      reopen();
      break;
    case 5:
      note();
      break;
    default:
      if (!sealed_) {
        write();
      }
  }
  return is_open() && !dead() && violation_.empty();
}

}  // namespace strandline::testing
