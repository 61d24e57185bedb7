#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "source.h"

namespace strandline::tool {
namespace {

constexpr std::size_t kChunk = 256 * 1024;

class OpenFile {
 public:
  // O_NONBLOCK: opening a FIFO must not wait for somebody to write into it.
  explicit OpenFile(const std::filesystem::path& path) noexcept
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  const int fd_;
};

bool same_version(const struct stat& a, const struct stat& b) noexcept {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class FileSource final : public Source {
 public:
  explicit FileSource(std::filesystem::path path) : path_(std::move(path)) {}

  [[nodiscard]] std::string name() const override { return path_.string(); }
  [[nodiscard]] std::filesystem::path local_path() const override { return path_; }

  [[nodiscard]] Result<void> read(const ByteSpec& spec, Sink& sink, std::stop_token stop) override {
    const OpenFile file(path_);
    struct stat before {};
    if (file.fd() < 0 || ::fstat(file.fd(), &before) != 0) {
      return fail(Error::system(errno, "open", name()));
    }
    if (!S_ISREG(before.st_mode)) {
      return fail(Errc::invalid_argument,
                  name() + ": " + (S_ISDIR(before.st_mode) ? "is a directory" : "is not a file"));
    }
    const auto length = static_cast<std::uint64_t>(before.st_size);
    auto range = spec.within(length);
    if (!range) {
      range.error().context = name() + ": " + range.error().context;
      return fail(std::move(range.error()));
    }
    if (auto expected = sink.expect(range->size()); !expected) {
      return expected;
    }
    if (auto copied = copy(file.fd(), *range, sink, stop); !copied) {
      return copied;
    }
    return range->end == length ? check_end(file.fd(), before) : Result<void>();
  }

 private:
  Result<void> copy(int fd, ByteRange range, Sink& sink, const std::stop_token& stop) const {
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, range.size())));
    while (!range.empty()) {
      if (stop.stop_requested()) {
        return fail(Errc::cancelled, name());
      }
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.size()));
      const ssize_t count = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(range.begin));
      if (count < 0) {
        if (errno == EINTR) {
          continue;
        }
        return fail(Error::system(errno, "read", name()));
      }
      if (count == 0) {
        return fail(Errc::changed, name() + ": was cut short while it was read");
      }
      if (auto taken = sink.bytes(std::span(buffer).first(static_cast<std::size_t>(count))); !taken) {
        return taken;
      }
      range.begin += static_cast<std::uint64_t>(count);
    }
    return {};
  }

  // What was read is one version of the file only if nobody wrote to it meanwhile. Files whose size says
  // nothing (/proc) show a byte past their end.
  Result<void> check_end(int fd, const struct stat& before) const {
    struct stat after {};
    std::byte extra{};
    if (::fstat(fd, &after) != 0) {
      return fail(Error::system(errno, "stat", name()));
    }
    if (!same_version(before, after)) {
      return fail(Errc::changed, name() + ": changed while it was read");
    }
    if (::pread(fd, &extra, 1, before.st_size) > 0) {
      return fail(Errc::changed, name() + ": goes on past the size it says it has");
    }
    return {};
  }

  const std::filesystem::path path_;
};

}  // namespace

std::unique_ptr<Source> make_file_source(std::filesystem::path path) {
  return std::make_unique<FileSource>(std::move(path));
}

}  // namespace strandline::tool
