#include <tests/support/model.h>

#include <algorithm>
#include <utility>

namespace strandline::testing {
namespace {

Answer done(std::uint64_t value = 0) {
  return {std::nullopt, value};
}
Answer refuse(Errc code) {
  return {code, 0};
}
bool past_the_end(std::uint64_t offset, std::uint64_t size) {
  return offset > kMaxOffset || size > kMaxOffset - offset;
}

}  // namespace

Model::Model(Universe universe, Traits traits, std::optional<std::vector<std::byte>> committed)
    : universe_(universe), traits_(traits), readable_(empty_content()) {
  if (committed) {
    for (std::size_t i = 0; i < committed->size(); ++i) {
      readable_.bytes[i] = (*committed)[i];
    }
    readable_.prefix = universe_.base;
    readable_.reach = committed->size();
    readable_.length = committed->size();
    state_ = State::committed;
    sealed_ = true;
  }
}

Model::Content Model::empty_content() const {
  Content content;
  content.bytes.resize(universe_.size);
  return content;
}

std::optional<Errc> Model::may_write(std::uint64_t writer) const {
  if (state_ == State::cancelled) {
    return Errc::cancelled;
  }
  if (writer != writer_) {
    return Errc::no_writer;
  }
  if (state_ == State::committed) {
    return Errc::committed;
  }
  if (state_ == State::failed) {
    return Errc::failed;
  }
  return supply_ == Supply::writing ? std::nullopt : std::optional(Errc::no_writer);
}

Answer Model::take_writer() {
  switch (state_) {
    case State::committed:
      return refuse(Errc::committed);
    case State::failed:
      return refuse(Errc::failed);
    case State::cancelled:
      return refuse(Errc::cancelled);
    case State::active:
      break;
  }
  if (supply_ == Supply::writing) {
    return refuse(Errc::busy);
  }
  supply_ = Supply::writing;
  return done(++writer_);
}

std::optional<Fault> Model::next_call(Fault::Call call) {
  if (!fault_ || fault_->call != call || (!fault_->part && --fault_->nth > 0)) {
    return std::nullopt;
  }
  fault_->nth = 1;
  return fault_;
}

// Does a view hold bytes behind the window, or missing ones of the part (which a commit below it had dropped)?
bool Model::pinned(ByteRange part) const {
  const Content& content = next_ ? *next_ : readable_;
  const std::vector<ByteRange> missing = runs(content, part, false);
  return std::any_of(pins_.begin(), pins_.end(), [&](const auto& pin) {
    const auto& [generation, held] = pin.second;
    const auto meets = [held = held](ByteRange piece) { return piece.intersects(held); };
    return generation == filling_generation() &&
           (held.begin < content.window || std::any_of(missing.begin(), missing.end(), meets));
  });
}

// The part of a write to a window that goes next; empty when a cursor holds it up.
ByteRange Model::part_of_write(ByteRange rest) const {
  const Content& content = next_ ? *next_ : readable_;
  const std::uint64_t capacity = *traits_.capacity;
  ByteRange part{std::max(rest.begin, content.window), rest.end};
  if (traits_.overflow == Overflow::block && !next_) {
    for (const auto& [id, position] : cursors_) {
      if (position >= content.window && part.end > capacity && position < part.end - capacity) {
        part.end = position + capacity;
      }
    }
  }
  if (part.empty()) {
    return part;
  }
  // Only the tail that the window can hold; of that, first what lies in the window as it stands.
  if (part.end > capacity) {
    part.begin = std::max(part.begin, part.end - capacity);
  }
  const bool reaches_past = part.end > capacity && content.window < part.end - capacity;
  if (reaches_past && part.begin < content.window + capacity) {
    part.end = content.window + capacity;
  }
  return part;
}

void Model::move_window(std::uint64_t end) {
  Content& content = filling();
  if (end > *traits_.capacity && content.window < end - *traits_.capacity) {
    const std::uint64_t window = end - *traits_.capacity;
    evict(content, {content.window, window});
    content.window = window;
    judge_waits();
  }
}

Answer Model::write(std::uint64_t writer, std::uint64_t offset, std::span<const std::byte> data, bool stopped) {
  if (past_the_end(offset, data.size())) {
    return refuse(Errc::invalid_range);
  }
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  std::uint64_t fresh = 0;
  for (ByteRange rest{offset, offset + data.size()}; !rest.empty();) {
    if (filling().length && rest.end > *filling().length) {
      return refuse(Errc::invalid_range);
    }
    ByteRange part = rest;
    if (traits_.capacity) {
      if (rest.end <= filling().window) {
        return refuse(Errc::evicted);
      }
      part = part_of_write(rest);
      if (part.empty()) {
        return refuse(stopped ? Errc::interrupted : Errc::timed_out);
      }
    }
    if (const auto fault = next_call(Fault::Call::claim)) {
      return refuse(fault->error);
    }
    if (traits_.capacity) {
      move_window(part.end);
      if (pinned(part)) {
        return refuse(stopped ? Errc::interrupted : Errc::timed_out);
      }
    }
    const Answer written = write_part(part, offset, data);
    if (written.error) {
      return written;
    }
    fresh += written.value;
    rest.begin = part.end;
  }
  return done(fresh);
}

Answer Model::write_part(ByteRange part, std::uint64_t offset, std::span<const std::byte> data) {
  Content& content = filling();
  for (ByteRange there : runs(content, part, true)) {
    while (!there.empty()) {
      std::uint64_t upto = there.end;
      if (const auto fault = next_call(Fault::Call::read)) {
        if (!fault->part) {
          return refuse(fault->error);
        }
        upto = std::min(upto, there.begin + *fault->part);
      }
      for (std::uint64_t x = std::max(there.begin, universe_.base); x < upto; ++x) {
        if (*content.bytes[x - universe_.base] != data[x - offset]) {
          return refuse(Errc::conflict);
        }
      }
      there.begin = upto;
    }
  }
  std::uint64_t fresh = 0;
  for (ByteRange missing : runs(content, part, false)) {
    while (!missing.empty()) {
      std::uint64_t upto = missing.end;
      if (const auto fault = next_call(Fault::Call::write)) {
        if (!fault->part) {
          return refuse(fault->error);
        }
        upto = std::min(upto, missing.begin + *fault->part);
      }
      for (std::uint64_t x = std::max(missing.begin, universe_.base); x < upto; ++x) {
        content.bytes[x - universe_.base] = data[x - offset];
      }
      if (missing.begin < universe_.base) {
        content.prefix = std::min(upto, universe_.base);
      }
      content.reach = std::max(content.reach, upto);
      log.push_back({Happening::Kind::write, {missing.begin, upto}, 0});
      judge_waits();
      fresh += upto - missing.begin;
      missing.begin = upto;
    }
  }
  return done(fresh);
}

Answer Model::set_length(std::uint64_t writer, std::uint64_t length) {
  if (length > kMaxOffset) {
    return refuse(Errc::invalid_range);
  }
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  Content& content = filling();
  if ((content.length && *content.length != length) || length < std::max(end_of(content), content.window)) {
    return refuse(Errc::conflict);
  }
  content.length = length;
  judge_waits();
  return done();
}

Answer Model::commit(std::uint64_t writer, std::optional<std::uint64_t> wanted) {
  if (state_ == State::committed && writer == writer_) {
    return wanted && *wanted != *readable_.length ? refuse(Errc::committed) : done();
  }
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  Content& content = filling();
  const std::uint64_t written = std::max(end_of(content), content.window);
  const std::uint64_t length = wanted ? *wanted : content.length ? *content.length : written;
  if (length > kMaxOffset) {
    return refuse(Errc::invalid_range);
  }
  if (content.length && *content.length != length) {
    return refuse(Errc::conflict);
  }
  if (const auto gap = first_run(content, {content.window, length}, false)) {
    stumbling_gap_ = *gap;
    return refuse(Errc::incomplete);
  }
  evict(content, {length, kMaxOffset});
  content.reach = std::min(content.reach, length);
  if (const auto fault = next_call(Fault::Call::commit)) {
    return refuse(fault->error);
  }
  content.length = length;
  if (next_) {
    readable_ = *std::exchange(next_, std::nullopt);
    generation_ = newest_;
  }
  state_ = State::committed;
  supply_ = Supply::awaited;
  sealed_ = true;
  log.push_back({Happening::Kind::commit, {}, length});
  judge_waits();
  return done();
}

void Model::end_as_failed(Errc code) {
  next_.reset();
  state_ = State::failed;
  supply_ = Supply::awaited;
  error_ = code;
  log.push_back({Happening::Kind::fail, {}, static_cast<std::uint64_t>(code)});
  judge_waits();
}

Answer Model::fail(std::uint64_t writer, Errc code) {
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  end_as_failed(code);
  return done();
}

void Model::drop_writer(std::uint64_t writer) {
  if (!may_write(writer)) {
    end_as_failed(Errc::no_writer);
  }
}

Answer Model::abandon(std::uint64_t writer, Abandon how) {
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  supply_ = how == Abandon::stop ? Supply::stopped : Supply::awaited;
  judge_waits();
  return done();
}

Answer Model::sync(std::uint64_t writer) {
  if (const auto refusal = may_write(writer)) {
    return refuse(*refusal);
  }
  if (!traits_.sync) {
    return refuse(Errc::unsupported);
  }
  const auto fault = next_call(Fault::Call::sync);
  return fault ? refuse(fault->error) : done();
}

Answer Model::give_up(ByteRange range) {
  if (!range.valid()) {
    return refuse(Errc::invalid_range);
  }
  if (!traits_.evict) {
    return refuse(Errc::unsupported);
  }
  if (state_ == State::cancelled) {
    return refuse(Errc::cancelled);
  }
  if (next_) {
    return refuse(Errc::busy);
  }
  std::uint64_t bytes = 0;
  for (const ByteRange run : runs(readable_, range, true)) {
    bytes += run.size();
  }
  if (bytes == 0) {
    return done();
  }
  evict(readable_, range);
  sealed_ = false;
  if (state_ == State::committed) {
    state_ = State::active;
    supply_ = Supply::stopped;
  }
  judge_waits();
  const auto fault = next_call(Fault::Call::evict);
  return fault ? refuse(fault->error) : done(bytes);
}

Answer Model::reactivate(Reactivate mode) {
  if (state_ == State::cancelled) {
    return refuse(Errc::cancelled);
  }
  if (supply_ == Supply::writing) {
    return refuse(Errc::busy);
  }
  if (mode == Reactivate::resume) {
    if (sealed_ && !next_) {
      if (const auto fault = next_call(Fault::Call::reactivate)) {
        return refuse(fault->error);
      }
      readable_.length.reset();
      sealed_ = false;
    }
  } else {
    if (next_) {
      // The abandoned rewrite is given up before the driver is asked for another.
      next_.reset();
      state_ = State::committed;
      supply_ = Supply::awaited;
    }
    const auto fault = traits_.rewrite ? next_call(Fault::Call::rewrite) : std::nullopt;
    if (!traits_.rewrite || fault) {
      return refuse(fault ? fault->error : Errc::unsupported);
    }
    ++newest_;
    if (sealed_) {
      next_ = empty_content();
    } else {
      evict(readable_, {0, kMaxOffset});
      readable_ = empty_content();
      generation_ = newest_;
    }
  }
  log.push_back({Happening::Kind::reactivate, {}, filling_generation()});
  state_ = State::active;
  supply_ = Supply::writing;
  error_.reset();
  judge_waits();
  return done(++writer_);
}

void Model::cancel() {
  error_.reset();
  state_ = State::cancelled;
  supply_ = Supply::stopped;
  judge_waits();
}

}  // namespace strandline::testing
