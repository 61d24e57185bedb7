#include <fcntl.h>
#include <tests/store/blocks/busy_system.h>
#include <tests/store/blocks/disk/trouble.h>
#include <unistd.h>

#include <array>

namespace strandline::testing {

using store::File;
using store::OpenFile;

namespace {

void with_file(const std::string& path, int flags, const auto& body) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0 && errno == ENOENT) {
    return;
  }
  const int result = body(system_call(file, path));
  const int error = errno;
  ::close(file);
  errno = error;
  system_call(result, path);
}

}  // namespace

class BusySystem::OneFile final : public ForwardingFile {
 public:
  OneFile(std::shared_ptr<BusySystem> system, std::unique_ptr<File> file)
      : ForwardingFile(std::move(file)), system_(std::move(system)) {}

  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    return and_work(ForwardingFile::write_at(offset, data));
  }
  Result<void> set_size(std::uint64_t size) noexcept override { return and_work(ForwardingFile::set_size(size)); }
  Result<void> punch(ByteRange range) noexcept override { return and_work(ForwardingFile::punch(range)); }
  Result<void> sync() noexcept override { return and_work(ForwardingFile::sync()); }

 private:
  template <class T>
  Result<T> and_work(Result<T> result) noexcept {
    system_->work();
    return result;
  }
  const std::shared_ptr<BusySystem> system_;
};

BusySystem::BusySystem(std::string directory, std::uint64_t boot, std::uint64_t seed)
    : ForwardingFiles(store::system_files()),
      directory_(std::move(directory)),
      boot_(boot),
      random_(seed),
      works_(seed != 0) {}

void BusySystem::work() {
  if (!works_) {
    return;
  }
  try {
    switch (random_() % 8) {
      case 0:
        write_back();
        break;
      case 1:
        sync_another_file();
        break;
      default:
        break;
    }
  } catch (const Trouble& trouble) {
    trouble_ = trouble.what();
  }
}

// As the kernel does half a minute after a write, or when memory is short: no flush of the disk comes with it.
void BusySystem::write_back() {
  constexpr std::array kNames{".data", ".journal", ".data.new", ".journal.new"};
  const std::string path = directory_ + "/entry" + kNames.at(random_() % kNames.size());
  const auto from = static_cast<off_t>(random_() % 4 == 0 ? random_() % (128 * 1024) : 0);
  const auto size = static_cast<off_t>(random_() % 4 == 0 ? random_() % (64 * 1024) : 0);  // 0: to the end
  with_file(path, O_RDWR, [&](int file) {
    return ::sync_file_range(file, from, size, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  });
}

void BusySystem::sync_another_file() {
  with_file(directory_ + "/another", O_RDWR | O_CREAT | O_APPEND,
            [](int file) { return ::write(file, "x", 1) == 1 ? ::fsync(file) : -1; });
}

Result<std::unique_ptr<File>> BusySystem::open(const std::string& path, OpenFile how) noexcept {
  auto file = ForwardingFiles::open(path, how);
  if (!file) {
    return file;
  }
  return std::make_unique<OneFile>(shared_from_this(), std::move(*file));
}

Result<void> BusySystem::rename(const std::string& from, const std::string& to) noexcept {
  auto renamed = ForwardingFiles::rename(from, to);
  work();
  return renamed;
}

Result<void> BusySystem::remove(const std::string& path) noexcept {
  auto removed = ForwardingFiles::remove(path);
  work();
  return removed;
}

Result<store::BootId> BusySystem::boot_id() const noexcept {
  store::BootId id{};
  for (std::size_t i = 0; i < sizeof boot_; ++i) {
    id[i] = static_cast<std::byte>(boot_ >> (8 * i));
  }
  return id;
}

}  // namespace strandline::testing
