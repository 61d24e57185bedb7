#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <tests/store/blocks/disk/fuse_server.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <span>

namespace strandline::testing {
namespace {

constexpr std::uint32_t kMostBytes = 1 << 20;  // of a write
constexpr std::uint32_t kPage = 4096;

class Server {
 public:
  Server(int connection, const SharedMemory& disk, DiskLog& log)
      : connection_(connection), disk_(disk), log_(log), request_(kMostBytes + 2 * kPage) {}

  // False: unmounted.
  bool serve_one() {
    const ssize_t count = ::read(connection_, request_.data(), request_.size());
    if (count < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) {
      return true;  // ENOENT: whoever asked has gone
    }
    if (count < 0 && errno == ENODEV) {
      return false;
    }
    system_call(count, "reading from /dev/fuse");
    std::memcpy(&header_, request_.data(), sizeof header_);
    arguments_ = std::span(request_).first(static_cast<std::size_t>(count)).subspan(sizeof header_);
    answer();
    return true;
  }

 private:
  void answer() {
    switch (header_.opcode) {
      case FUSE_INIT:
        return init();
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr.ino = FUSE_ROOT_ID;
        out.attr.size = disk_.size();
        out.attr.blocks = disk_.size() / 512;
        out.attr.mode = S_IFREG | 0600;
        out.attr.nlink = 1;
        out.attr.blksize = kPage;
        return reply(out);
      }
      case FUSE_OPEN: {
        fuse_open_out out{};
        out.open_flags = FOPEN_DIRECT_IO;  // what the loop device writes comes here at once
        return reply(out);
      }
      case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st.bsize = out.st.frsize = kPage;
        out.st.blocks = disk_.size() / kPage;
        out.st.namelen = 255;
        return reply(out);
      }
      case FUSE_READ: {
        const auto in = argument<fuse_read_in>();
        const std::uint64_t begin = std::min<std::uint64_t>(in.offset, disk_.size());
        return send(0, {disk_.bytes() + begin, std::min<std::uint64_t>(in.size, disk_.size() - begin)});
      }
      case FUSE_WRITE: {
        const auto in = argument<fuse_write_in>();
        fuse_write_out out{};
        out.size = in.size;
        return change(DiskChange::Kind::write, in.offset, in.size, arguments_.data() + sizeof in) ? reply(out)
                                                                                                  : send(-EIO, {});
      }
      case FUSE_FALLOCATE: {
        const auto in = argument<fuse_fallocate_in>();
        if ((in.mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == 0) {
          return send(-EOPNOTSUPP, {});
        }
        return send(change(DiskChange::Kind::zero, in.offset, in.length, nullptr) ? 0 : -EIO, {});
      }
      case FUSE_FSYNC:
        return send(log_.append(DiskChange::Kind::flush, 0, 0, nullptr) ? 0 : -EIO, {});
      case FUSE_FLUSH:  // a close(2), not a flush of the disk
      case FUSE_RELEASE:
        return send(0, {});
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;  // these want no answer
      default:
        return send(-ENOSYS, {});
    }
  }
  void init() {
    const auto in = argument<fuse_init_in>();
    if (in.major != FUSE_KERNEL_VERSION || in.minor < 28) {
      return send(-EPROTO, {});
    }
    fuse_init_out out{};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = std::min<std::uint32_t>(in.minor, FUSE_KERNEL_MINOR_VERSION);
    out.max_readahead = in.max_readahead;
    out.flags = in.flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES);
    out.max_write = kMostBytes;
    out.max_pages = kMostBytes / kPage;
    reply(out);
  }
  bool change(DiskChange::Kind kind, std::uint64_t offset, std::uint64_t size, const std::byte* bytes) {
    if (offset > disk_.size() || size > disk_.size() - offset || !log_.append(kind, offset, size, bytes)) {
      return false;
    }
    if (bytes != nullptr) {
      std::memcpy(disk_.bytes() + offset, bytes, size);
    } else {
      std::memset(disk_.bytes() + offset, 0, size);
    }
    return true;
  }

  template <class In>
  In argument() const {
    In in{};
    std::memcpy(&in, arguments_.data(), std::min(sizeof in, arguments_.size()));  // older ones are shorter
    return in;
  }
  template <class Out>
  void reply(const Out& out) {
    send(0, std::as_bytes(std::span(&out, 1)));
  }
  void send(int error, std::span<const std::byte> body) {
    fuse_out_header header{};
    header.unique = header_.unique;
    header.error = error;
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    std::array<::iovec, 2> parts{{{&header, sizeof header}, {const_cast<std::byte*>(body.data()), body.size()}}};
    if (::writev(connection_, parts.data(), body.empty() ? 1 : 2) < 0 && errno != ENOENT && errno != ENODEV) {
      system_call(-1, "answering /dev/fuse");
    }
  }

  const int connection_;
  const SharedMemory& disk_;
  DiskLog& log_;
  std::vector<std::byte> request_;
  fuse_in_header header_{};
  std::span<const std::byte> arguments_;
};

}  // namespace

void serve_disk(int connection, const SharedMemory& disk, DiskLog& log) {
  Server server(connection, disk, log);
  while (server.serve_one()) {
  }
}

}  // namespace strandline::testing
