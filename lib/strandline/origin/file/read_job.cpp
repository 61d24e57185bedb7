#include <strandline/origin/file/read_job.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace strandline::origin::file {
namespace {

constexpr std::uint64_t kReadAhead = 128 << 10;  // the kernel's own, to begin with

Outcome<void> told(Result<void> answer) noexcept {
  if (answer) {
    return {};
  }
  return tl::unexpected(Failure{std::move(answer.error())});
}

}  // namespace

ReadJob::ReadJob(const FileTree& tree, ReadRequest request, std::shared_ptr<Sink> sink, Ending ending,
                 WorkQueue* queue) noexcept
    : tree_(tree), request_(std::move(request)), sink_(std::move(sink)), ending_(std::move(ending)) {
  if (queue != nullptr && request_.max_rate > 0) {
    on_stop_.emplace(ending_.stop(), Hasten{queue, this});
  }
}

std::optional<Sync::time_point> ReadJob::step(Scratch& scratch) noexcept {
  const auto now = Sync::now();
  Outcome<void> done;
  if (auto end = ending_.now(request_.key)) {
    done = tl::unexpected(std::move(*end));
  } else if (!started_) {
    started_ = true;
    done = start();
    due_ = pace(now);
  } else if (now < due_) {
    return due_;
  } else {
    done = piece(scratch);
    due_ = pace(due_);
  }
  if (done && at_ < end_) {
    return std::max(due_, now);
  }
  sink_->end(std::move(done));
  return std::nullopt;
}

void ReadJob::refuse(Error error, bool may_pass) noexcept {
  sink_->end(tl::unexpected(Failure{std::move(error), may_pass}));
}

Outcome<void> ReadJob::start() noexcept {
  const std::string& key = request_.key;
  const ByteRange range = request_.range;
  if (!range.valid() || range.empty()) {
    return refused(Errc::invalid_range, "no range of bytes:", key);
  }
  auto opened = tree_.open(key);
  if (!opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  file_ = std::move(*opened);
  const auto size = static_cast<std::uint64_t>(file_.facts.st_size);
  std::byte first{};
  if (size == 0) {
    const auto count = strandline::file::read_some(file_.handle.get(), 0, std::span(&first, 1), key);
    if (!count) {
      return failed(count.error());
    }
    if (*count > 0) {
      return refused(Errc::unsupported, "a file that does not say its size:", key);
    }
  }
  return contained([&]() -> Outcome<void> {
    const ObjectInfo info = info_of(file_.facts);
    if (request_.if_match.kind != Validator::Kind::none && request_.if_match != info.validator) {
      return refused(Errc::changed, "not the version asked for:", key);
    }
    if (range.begin >= size && range.begin > 0) {
      auto past = refused(Errc::invalid_range, "ends before the range begins:", key);
      past.value().size = size;
      return past;
    }
    at_ = range.begin;
    end_ = std::min(range.end, size);
    if (end_ - at_ > kReadAhead) {
      // Only advice: what it answers changes nothing.
      static_cast<void>(::posix_fadvise(file_.handle.get(), static_cast<off_t>(at_), static_cast<off_t>(end_ - at_),
                                        POSIX_FADV_SEQUENTIAL));
    }
    return told(sink_->begin(info, range.begin));
  });
}

Outcome<void> ReadJob::piece(Scratch& scratch) noexcept {
  const std::string& key = request_.key;
  const auto buffer = scratch.bytes();
  if (buffer.empty()) {
    return refused(Errc::no_memory, "to read", key);
  }
  const auto room = buffer.first(std::min<std::uint64_t>(piece_size(), end_ - at_));
  const auto count = strandline::file::read_some(file_.handle.get(), at_, room, key);
  if (!count) {
    return failed(count.error());
  }
  if (auto same = check_version(); !same) {
    return same;
  }
  if (*count == 0) {
    return refused(Errc::unsupported, "a file that is shorter than it says:", key);
  }
  const std::uint64_t from = at_;
  at_ += *count;
  return told(sink_->bytes(from, room.first(*count)));
}

Outcome<void> ReadJob::check_version() const noexcept {
  struct ::stat now {};
  if (::fstat(file_.handle.get(), &now) != 0) {
    return failed(errno, "stat", request_.key);
  }
  const struct ::stat& before = file_.facts;
  if (now.st_size != before.st_size || now.st_mtim.tv_sec != before.st_mtim.tv_sec ||
      now.st_mtim.tv_nsec != before.st_mtim.tv_nsec) {
    return refused(Errc::changed, "changed while it was read:", request_.key);
  }
  return {};
}

std::size_t ReadJob::piece_size() const noexcept {
  // At a limited rate eight a second, so that it is kept over short times too.
  const std::uint64_t rate = request_.max_rate;
  return rate == 0 ? Scratch::kBytes : std::clamp<std::uint64_t>(rate / 8, 1, Scratch::kBytes);
}

Sync::time_point ReadJob::pace(Sync::time_point before) const noexcept {
  const auto now = Sync::now();
  if (request_.max_rate == 0 || at_ >= end_) {
    return now;
  }
  const double seconds =
      static_cast<double>(std::min<std::uint64_t>(piece_size(), end_ - at_)) / static_cast<double>(request_.max_rate);
  const auto each = std::chrono::duration_cast<Sync::time_point::duration>(std::chrono::duration<double>(seconds));
  // A piece that came late lets the next come sooner, but only by one: a stall is not made up for by a burst.
  return std::max(before, now - each) + each;
}

}  // namespace strandline::origin::file
