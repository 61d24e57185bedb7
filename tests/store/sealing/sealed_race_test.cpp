// Encrypted bytes that do not match for a moment only: because they are being sealed anew, or were misread once.
#include <strandline/store/entry/entry.h>
#include <tests/store/sealing/sealed_scene.h>

#include <atomic>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

struct Hooks {
  std::function<void()> before_write;                    // of data
  std::function<void(std::span<std::byte>)> after_read;  // likewise
};

class HookedFile final : public File {
 public:
  HookedFile(std::unique_ptr<File> file, const Hooks& hooks) : file_(std::move(file)), hooks_(hooks) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    auto count = file_->read_at(offset, out);
    if (count && hooks_.after_read) {
      hooks_.after_read(out.first(*count));
    }
    return count;
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    if (hooks_.before_write) {
      hooks_.before_write();
    }
    return file_->write_at(offset, data);
  }
  Result<std::uint64_t> size() const noexcept override { return file_->size(); }
  Result<void> set_size(std::uint64_t size) noexcept override { return file_->set_size(size); }
  Result<void> sync() noexcept override { return file_->sync(); }
  Result<void> punch(ByteRange range) noexcept override { return file_->punch(range); }
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    return file_->next_data(from);
  }
  Result<DataIdentity> identity() const noexcept override { return file_->identity(); }
  Result<std::uint64_t> allocated() const noexcept override { return file_->allocated(); }
  Result<bool> has_name() const noexcept override { return file_->has_name(); }
  Result<void> try_hold(ByteRange range, Hold how) noexcept override { return file_->try_hold(range, how); }
  void let_go(ByteRange range) noexcept override { file_->let_go(range); }
  Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept override {
    return file_->held_elsewhere(range);
  }

 private:
  const std::unique_ptr<File> file_;
  const Hooks& hooks_;
};

// The system's, with hooks in the files of data.
class HookedFiles final : public FileSystem {
 public:
  Hooks hooks;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    auto file = files_->open(path, how);
    if (file && path.find(".data") != std::string::npos) {
      return std::make_unique<HookedFile>(std::move(*file), hooks);
    }
    return file;
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    return files_->rename(from, to);
  }
  Result<void> remove(const std::string& path) noexcept override { return files_->remove(path); }
  Result<void> make_directory(const std::string& path) noexcept override { return files_->make_directory(path); }
  Result<std::vector<std::string>> names_in(const std::string& path) const noexcept override {
    return files_->names_in(path);
  }
  Result<void> sync_directory_of(const std::string& path) noexcept override { return files_->sync_directory_of(path); }
  Result<BootId> boot_id() const noexcept override { return files_->boot_id(); }

 private:
  const std::shared_ptr<FileSystem> files_ = system_files();
};

struct HookedEntry : SealedEntry {
  TempDir directory;
  std::shared_ptr<HookedFiles> hooked = std::make_shared<HookedFiles>();
  HookedEntry() {
    options.files = hooked;
    options.name = (directory.path() / "entry").native();
  }
};

}  // namespace

TEST_CASE("encrypted: who reads what is being sealed anew waits for it, and gets it") {
  HookedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 1000}) == "ok");
  CHECK(says(entry.driver->evict({500, 1000})) == "ok");
  entry.driver->on_bad_block = [](ByteRange) { CHECK_MESSAGE(false, "nothing is damaged"); };
  std::thread reader;
  std::atomic<bool> begun{false};
  std::atomic<bool> ended{false};
  std::string answer;
  entry.hooked->hooks.before_write = [&] {
    if (begun) {
      return;
    }
    reader = std::thread([&] {
      begun = true;
      answer = entry.read({0, 500});
      ended = true;
    });
    while (!begun) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK_FALSE(ended);
  };
  CHECK(entry.write({600, 700}) == "ok");
  entry.hooked->hooks.before_write = nullptr;
  reader.join();
  CHECK(answer == "ok");
  CHECK(entry.read({600, 700}) == "ok");
}

TEST_CASE("encrypted: what does not match is looked at again before it is given up, pinned or not") {
  HookedEntry made;
  std::shared_ptr<store::Entry> entry = required(store::Entry::open(made.options, "entry", 1));
  {
    auto writer = required(entry->take_writer());
    REQUIRE(writer);
    CHECK(write_to(*writer, {0, 1000}) == "1000");
    entry->end_writing(std::move(*writer));
  }
  CHECK(says(entry->pin({0, 1000})) == "ok");
  bool once = false;
  made.hooked->hooks.after_read = [&](std::span<std::byte> bytes) {
    if (!std::exchange(once, true)) {
      bytes[7] ^= std::byte{1};
    }
  };
  CHECK(read_back(entry->resource(), {100, 200}) == "!corrupt");
  CHECK(once);
  CHECK(read_back(entry->resource(), {100, 200}) == "100");
  // Now for good.
  made.hooked->hooks.after_read = [&](std::span<std::byte> bytes) { bytes[7] ^= std::byte{1}; };
  CHECK(read_back(entry->resource(), {100, 200}) == "!not_available");
  made.hooked->hooks.after_read = nullptr;
  CHECK(says(required(entry->resource().available())) == "{}");
}
