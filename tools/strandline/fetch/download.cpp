#include "download.h"

#include <strandline/fill/late_target.h>
#include <sys/stat.h>

#include "../command.h"
#include "sha256.h"

namespace strandline::tool {
namespace {

constexpr unsigned kRestarts = 3;

std::string part_name(const std::filesystem::path& file) {
  return file.native() + ".part.data";
}

std::uint64_t bytes_there(const Download::PartResource& resource) {
  const auto there = resource.available();
  return there ? there->byte_count() : 0;
}

// What a part that cannot be used says, for people.
Error explained_part(Error error, const std::filesystem::path& file) {
  if (error.code == Errc::busy && !error.cause) {
    error.context = file.native() + ": another process is bringing it, in " + part_name(file);
  } else if (error.code == Errc::conflict) {
    error.context = part_name(file) + " is left of another URL: get that one, or give this up with --force";
  }
  return error;
}

}  // namespace

Download::Download(DownloadRequest request, Events& events) : request_(std::move(request)), events_(events) {}

tl::expected<void, Refusal> Download::run(fill::Filler& filler, const std::stop_token& stop) {
  auto done = fetch(filler, stop);
  if (!done && part_ && bytes_there(part_->resource()) == 0) {
    static_cast<void>(part_->discard());  // empty files, in nobody's way if they stay
  }
  over();
  return done;
}

tl::expected<void, Refusal> Download::fetch(fill::Filler& filler, const std::stop_token& stop) {
  if (auto free = check_file(); !free) {
    return free;
  }
  for (unsigned restarts = 0;; ++restarts) {
    auto fetched = fetch_once(filler, stop);
    if (fetched) {
      return finish(stop);
    }
    const bool read_from = request_.play && [this] {
      MutexLock lock(mutex_);
      return resource_.has_value();
    }();
    if (fetched.error().code != Errc::changed || !part_ || read_from || restarts == kRestarts) {
      return tl::unexpected(explained(std::move(fetched.error())));
    }
    events_.restarted(*this, fetched.error());
    subscription_.unsubscribe();
    {
      MutexLock lock(mutex_);
      resource_.reset();
    }
    if (auto gone = part_->discard(); !gone) {
      return tl::unexpected(Refusal{std::move(gone.error())});
    }
    part_.reset();
  }
}

// What a rename would replace, or follow.
tl::expected<void, Refusal> Download::check_file() const {
  struct stat found {};
  const std::string& file = request_.file.native();
  if (::lstat(file.c_str(), &found) != 0) {
    return {};  // nothing, or what opening the part beside it will tell
  }
  if (!S_ISREG(found.st_mode)) {
    return tl::unexpected(Refusal{Error::make(Errc::invalid_argument, file + ": is there, and is not a file")});
  }
  if (!request_.replace) {
    return tl::unexpected(
        Refusal{Error::make(Errc::committed, file + " exists already; --force replaces it"), kExitExists});
  }
  return {};
}

Result<std::optional<fill::PartFile>> Download::find() {
  auto found = fill::PartFile::find(request_.file, request_.place.url);
  if (!found && found.error().code == Errc::conflict && request_.replace) {
    if (auto gone = fill::PartFile::discard(request_.file); !gone) {
      return fail(explained_part(std::move(gone.error()), request_.file));
    }
    return std::nullopt;
  }
  return found ? std::move(found) : fail(explained_part(std::move(found.error()), request_.file));
}

Result<void> Download::fetch_once(fill::Filler& filler, const std::stop_token& stop) {
  auto found = find();
  if (!found) {
    return fail(std::move(found.error()));
  }
  part_ = std::move(*found);
  ByteRange first;
  Validator validator;
  if (part_) {
    const PartResource& resource = part_->resource();
    const auto length = resource.length();
    if (length && !resource.next_gap(0, *length)) {
      // Only its name is missing.
      found_.store(*length, std::memory_order_relaxed);
      events_.resumed(*this, *length);
      publish(resource);
      if (resource.status().state == State::committed) {
        return {};
      }
      auto writer = resource.writer();
      return writer ? writer->commit(*length) : fail(std::move(writer.error()));
    }
    validator = part_->validator();
    if (validator.kind == Validator::Kind::none) {
      const Error why = Error::make(Errc::changed, request_.place.url + ": does not say which version it is");
      if (bytes_there(resource) > 0) {
        events_.restarted(*this, why);
      }
      if (auto gone = part_->discard(); !gone) {
        return gone;
      }
      part_.reset();
    } else {
      first = resource.next_gap(0).value_or(ByteRange());
    }
  }
  fill::FillRequest request;
  request.origin = request_.place.origin;
  request.key = request_.place.key;
  request.validator = validator;
  request.target = std::make_unique<fill::LateTarget>([this](const auto& object) { return make(object); }, first);
  auto fill = filler.fill(std::move(request));
  if (!fill) {
    return strandline::fail(std::move(fill.error()));
  }
  show(&*fill);
  auto outcome = fill->wait(stop);
  show(nullptr);
  fill->stop();
  // A stop that came after the last byte has stopped nothing.
  const bool complete = part_ && part_->resource().status().state == State::committed;
  return complete ? Result<void>() : outcome;
}

void Download::show(const fill::Fill* fill) {
  MutexLock lock(mutex_);
  fill_ = fill;
}

Result<std::unique_ptr<fill::Target>> Download::make(const origin::ObjectInfo& object) {
  if (!part_) {
    auto opened = fill::PartFile::open(request_.file, request_.place.url, object.validator, object.size);
    if (!opened) {
      return fail(explained_part(std::move(opened.error()), request_.file));
    }
    part_ = std::move(*opened);
  }
  const PartResource& resource = part_->resource();
  const auto length = resource.length();
  if (length && object.size && *length != *object.size) {
    return fail(Errc::changed, "the origin says another length than before");
  }
  auto writer = resource.writer();
  if (!writer) {
    return fail(std::move(writer.error()));
  }
  auto subscription = resource.subscribe(arrivals_);
  if (!subscription) {
    return fail(std::move(subscription.error()));
  }
  subscription_ = std::move(*subscription);
  const std::uint64_t bytes = bytes_there(resource);
  found_.store(bytes, std::memory_order_relaxed);
  if (bytes > 0) {
    events_.resumed(*this, bytes);
  }
  publish(resource);
  return std::make_unique<fill::ResourceTarget<store::EntryDriver>>(resource, std::move(*writer));
}

// FILE is what was asked for, or it is not there.
tl::expected<void, Refusal> Download::finish(const std::stop_token& stop) {
  const std::string part = part_name(request_.file);
  if (!request_.sha256.empty()) {
    auto sum = sha256_of(part, stop);
    if (!sum) {
      return tl::unexpected(explained(std::move(sum.error())));
    }
    if (*sum != request_.sha256) {
      // Complete, and not what it should be: nothing could be added to make it so.
      if (auto gone = part_->discard(); !gone) {
        return tl::unexpected(Refusal{std::move(gone.error())});
      }
      return tl::unexpected(Refusal{Error::make(Errc::corrupt, request_.file.native() + ": the content's SHA-256 is " +
                                                                   *sum + "; nothing was kept"),
                                    kExitChecksum});
    }
  }
  if (auto named = part_->finish(request_.replace); !named) {
    const bool exists = named.error().code == Errc::busy;
    return tl::unexpected(Refusal{std::move(named.error()), exists ? kExitExists : kExitFailed});
  }
  return {};
}

std::optional<Download::PartResource> Download::resource() {
  MutexLock lock(mutex_);
  while (!resource_ && !over_) {
    changed_.wait(mutex_);
  }
  return resource_;
}

Download::Snapshot Download::snapshot() const {
  std::optional<PartResource> resource;
  Snapshot shot;
  {
    MutexLock lock(mutex_);
    resource = resource_;
    shot.retries = fill_ != nullptr ? fill_->progress().retries : 0;
  }
  if (resource) {
    shot.length = resource->length();
    if (auto there = resource->available()) {
      shot.there = std::move(*there);
    }
  }
  return shot;
}

void Download::publish(const PartResource& resource) {
  MutexLock lock(mutex_);
  resource_ = resource;
  changed_.notify_all();
}

void Download::over() noexcept {
  MutexLock lock(mutex_);
  over_ = true;
  changed_.notify_all();
}

// And what is left: the user is to know whether anything was lost.
Refusal Download::explained(Error error) const {
  const std::string& file = request_.file.native();
  if (error.context.find(request_.place.url) == std::string::npos && error.context.find(file) == std::string::npos) {
    error.context = request_.place.url + (error.context.empty() ? "" : ": ") + error.context;
  }
  if (const std::uint64_t bytes = part_ ? bytes_there(part_->resource()) : 0; bytes > 0) {
    error.context +=
        "; " + size_text(bytes) + " are kept in " + part_name(request_.file) + ": the same command goes on from there";
  }
  return Refusal{std::move(error)};
}

}  // namespace strandline::tool
