// The model's bytes, and its read side.
#include <tests/support/model.h>

#include <algorithm>
#include <tuple>

namespace strandline::testing {
namespace {

Answer done(std::uint64_t value = 0) {
  return {std::nullopt, value};
}
Answer refuse(Errc code) {
  return {code, 0};
}
Answer ended(WaitOutcome outcome) {
  return done(static_cast<std::uint64_t>(outcome));
}

}  // namespace

std::string to_string(const Answer& answer) {
  return answer.error ? std::string(to_string(*answer.error)) : std::to_string(answer.value);
}

std::string to_string(const Happening& happening) {
  switch (happening.kind) {
    case Happening::Kind::write:
      return "write " + to_string(happening.range);
    case Happening::Kind::evict:
      return "evict " + to_string(happening.range);
    case Happening::Kind::commit:
      return "commit " + std::to_string(happening.value);
    case Happening::Kind::fail:
      return "fail " + std::string(to_string(static_cast<Errc>(happening.value)));
    case Happening::Kind::reactivate:
      break;
  }
  return "reactivate " + std::to_string(happening.value);
}

std::byte Model::pattern(const Universe& universe, std::uint64_t offset, unsigned variant) {
  if (offset < universe.base) {
    return static_cast<std::byte>(offset * 31 + 7);
  }
  const std::uint64_t i = offset - universe.base;
  const bool differs = variant == 1 || (variant == 2 && i % 5 == 0) || (variant == 3 && i % 7 == 6);
  return static_cast<std::byte>((i * 37 + 11) ^ (differs ? 0x55U : 0U));
}

bool Model::has(const Content& content, std::uint64_t offset) const {
  if (offset < universe_.base) {
    return offset < content.prefix;
  }
  return offset < universe_.end() && content.bytes[offset - universe_.base].has_value();
}

std::optional<ByteRange> Model::first_run(const Content& content, ByteRange range, bool wanted) const {
  std::optional<ByteRange> run;
  for (std::uint64_t x = range.begin; x < range.end;) {
    const std::uint64_t after = x < content.prefix    ? content.prefix
                                : x < universe_.base  ? universe_.base
                                : x < universe_.end() ? x + 1
                                                      : range.end;
    const std::uint64_t upto = std::min(after, range.end);
    if (has(content, x) == wanted) {
      run = ByteRange{run ? run->begin : x, upto};
    } else if (run) {
      break;
    }
    x = upto;
  }
  return run;
}

std::vector<ByteRange> Model::runs(const Content& content, ByteRange range, bool wanted) const {
  std::vector<ByteRange> found;
  while (const auto run = first_run(content, range, wanted)) {
    found.push_back(*run);
    range.begin = run->end;
  }
  return found;
}

std::uint64_t Model::end_of(const Content& content) const {
  if (!traits_.capacity) {
    return content.reach;
  }
  for (std::uint64_t i = universe_.size; i > 0; --i) {
    if (content.bytes[i - 1]) {
      return universe_.base + i;
    }
  }
  return content.prefix;
}

void Model::erase(Content& content, ByteRange range) {
  if (!range.empty()) {
    content.prefix = std::min(content.prefix, range.begin);
  }
  for (std::uint64_t i = 0; i < universe_.size; ++i) {
    if (range.contains(universe_.base + i)) {
      content.bytes[i].reset();
    }
  }
}

void Model::evict(Content& content, ByteRange range) {
  for (const ByteRange run : runs(content, range, true)) {
    log.push_back({Happening::Kind::evict, run, 0});
  }
  erase(content, range);
}

// In the order of rule R4; nothing while it is open.
std::optional<Answer> Model::verdict(ByteRange range, WaitFor until) const {
  if (state_ == State::cancelled) {
    return refuse(Errc::cancelled);
  }
  if (range.empty()) {
    return ended(WaitOutcome::ready);
  }
  const auto length = readable_.length;
  if (length && range.begin >= *length) {
    return ended(WaitOutcome::eof);
  }
  if (range.begin < readable_.window) {
    return refuse(Errc::evicted);
  }
  const std::uint64_t needed_end =
      until == WaitFor::any ? range.begin + 1 : std::min(range.end, length.value_or(range.end));
  if (!first_run(readable_, {range.begin, needed_end}, false)) {
    return ended(WaitOutcome::ready);
  }
  if (state_ == State::failed) {
    return refuse(Errc::failed);
  }
  return supply_ == Supply::stopped ? std::optional(refuse(Errc::no_writer)) : std::nullopt;
}

Answer Model::wait(ByteRange range, WaitFor until, bool stopped) const {
  if (!range.valid() || (traits_.capacity && until == WaitFor::all && range.size() > *traits_.capacity)) {
    return refuse(Errc::invalid_range);
  }
  return verdict(range, until).value_or(ended(stopped ? WaitOutcome::interrupted : WaitOutcome::timed_out));
}

std::uint64_t Model::park(ByteRange range, WaitFor until, bool stopped, Urgency urgency) {
  const Answer at_once = wait(range, until, stopped);
  const bool open = at_once == ended(WaitOutcome::timed_out);
  waits_[next_id_] = {range, until, urgency, open ? std::nullopt : std::optional(at_once)};
  return next_id_++;
}

std::optional<ByteRange> Model::lacks(std::uint64_t number) const {
  const Wait& wait = waits_.at(number);
  const ByteRange asked{wait.range.begin, std::min(wait.range.end, readable_.length.value_or(wait.range.end))};
  const auto gap = wait.outcome ? std::nullopt : first_run(readable_, asked, false);
  return gap ? std::optional(ByteRange{gap->begin, asked.end}) : std::nullopt;
}

std::vector<Demand> Model::demand() const {
  std::vector<Demand> all;
  for (const auto& [id, wait] : waits_) {
    if (const auto missing = lacks(id)) {
      const Demand one{*missing, {}, wait.urgency, wait.until == WaitFor::any ? missing->begin + 1 : missing->end};
      const auto same = std::find_if(all.begin(), all.end(), [&](const Demand& other) {
        return other.missing.begin == one.missing.begin && other.urgency == one.urgency;
      });
      if (same == all.end()) {
        all.push_back(one);
      } else {
        same->missing.end = std::max(same->missing.end, one.missing.end);
        same->enough = std::min(same->enough, one.enough);
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const Demand& a, const Demand& b) {
    return std::tie(a.missing.begin, a.urgency) < std::tie(b.missing.begin, b.urgency);
  });
  return all;
}

std::optional<Answer> Model::outcome(std::uint64_t wait) const {
  return waits_.at(wait).outcome;
}

void Model::stop_wait(std::uint64_t wait) {
  if (auto& outcome = waits_.at(wait).outcome; !outcome) {
    outcome = ended(WaitOutcome::interrupted);
  }
}

void Model::interrupt() {
  for (auto& [id, wait] : waits_) {
    stop_wait(id);
  }
}

std::uint64_t Model::parked() const {
  return static_cast<std::uint64_t>(
      std::count_if(waits_.begin(), waits_.end(), [](const auto& wait) { return !wait.second.outcome; }));
}

void Model::judge_waits() {
  for (auto& [id, wait] : waits_) {
    if (!wait.outcome) {
      wait.outcome = verdict(wait.range, wait.until);
    }
  }
}

Answer Model::read(std::uint64_t offset, std::uint64_t size) {
  if (offset > kMaxOffset || size > kMaxOffset - offset) {
    return refuse(Errc::invalid_range);
  }
  if (state_ == State::cancelled) {
    return refuse(Errc::cancelled);
  }
  const ByteRange range{offset, offset + size};
  if (range.empty() || (readable_.length && offset >= *readable_.length)) {
    return done();
  }
  if (offset < readable_.window) {
    return refuse(Errc::evicted);
  }
  ByteRange rest{offset, std::min(range.end, readable_.length.value_or(range.end))};
  const std::uint64_t count = rest.size();
  if (first_run(readable_, rest, false)) {
    return refuse(Errc::not_available);
  }
  // A short read is read on from where it stopped.
  while (const auto fault = rest.empty() ? std::nullopt : next_call(Fault::Call::read)) {
    if (!fault->part) {
      return refuse(fault->error);
    }
    rest.begin += std::min<std::uint64_t>(*fault->part, rest.size());
  }
  return done(count);
}

Answer Model::read_some(std::uint64_t offset, std::uint64_t size, bool stopped) {
  if (size == 0 || offset >= kMaxOffset) {
    return state_ == State::cancelled ? refuse(Errc::cancelled) : done();
  }
  const ByteRange range{offset, offset + std::min(size, kMaxOffset - offset)};
  const Answer waited = wait(range, WaitFor::any, stopped);
  if (waited.error) {
    return waited;
  }
  switch (static_cast<WaitOutcome>(waited.value)) {
    case WaitOutcome::timed_out:
      return refuse(Errc::timed_out);
    case WaitOutcome::interrupted:
      return refuse(Errc::interrupted);
    case WaitOutcome::eof:
      return done();
    case WaitOutcome::ready:
      break;
  }
  const std::uint64_t limit = std::min(range.end, readable_.length.value_or(range.end));
  const auto gap = first_run(readable_, {range.begin, limit}, false);
  return read(offset, (gap ? gap->begin : limit) - offset);
}

Answer Model::wait_read(std::uint64_t offset, std::uint64_t size, bool stopped) {
  if (offset > kMaxOffset || size > kMaxOffset - offset) {
    return refuse(Errc::invalid_range);
  }
  const Answer waited = wait({offset, offset + size}, WaitFor::all, stopped);
  if (waited == ended(WaitOutcome::timed_out) || waited == ended(WaitOutcome::interrupted)) {
    return refuse(waited == ended(WaitOutcome::timed_out) ? Errc::timed_out : Errc::interrupted);
  }
  return waited.error ? waited : read(offset, size);
}

Answer Model::view(ByteRange range) {
  if (!range.valid()) {
    return refuse(Errc::invalid_range);
  }
  const auto fault = std::exchange(fault_, std::nullopt);  // a view reads nothing
  const Answer readable = read(range.begin, range.size());
  fault_ = fault;
  if (readable.error || readable.value == 0) {
    return readable;
  }
  if (!traits_.view) {
    return refuse(Errc::unsupported);
  }
  const auto failed = next_call(Fault::Call::view);
  return failed ? refuse(failed->error) : readable;
}

std::optional<std::uint64_t> Model::pin(ByteRange range) {
  if (!traits_.capacity || range.empty()) {
    return std::nullopt;
  }
  pins_[next_id_] = {generation_, range};
  return next_id_++;
}

std::uint64_t Model::add_cursor(std::uint64_t position) {
  cursors_[next_id_] = position;
  return next_id_++;
}

bool Model::contains(ByteRange range) const {
  return range.valid() && state_ != State::cancelled && !first_run(readable_, range, false);
}

std::vector<ByteRange> Model::available() const {
  return state_ == State::cancelled ? std::vector<ByteRange>() : runs(readable_, {0, kMaxOffset}, true);
}

std::optional<ByteRange> Model::next_gap(std::uint64_t from, std::uint64_t limit) const {
  if (state_ == State::cancelled) {
    const ByteRange all{from, std::min(limit, kMaxOffset)};
    return all.empty() ? std::nullopt : std::optional(all);
  }
  limit = std::min({limit, kMaxOffset, readable_.length.value_or(kMaxOffset)});
  return first_run(readable_, {std::max(from, readable_.window), limit}, false);
}

std::byte Model::byte_at(std::uint64_t offset) const {
  return offset < universe_.base ? pattern(universe_, offset, 0) : *readable_.bytes[offset - universe_.base];
}

}  // namespace strandline::testing
