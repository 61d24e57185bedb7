// Encrypted bytes that do not match for a moment only: because they are being sealed anew, or were misread once.
#include <tests/store/forwarding_files.h>
#include <tests/store/sealing/sealed_scene.h>
#include <tests/store/shared/scene.h>
#include <tests/support/sleeping.h>

#include <atomic>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

struct Hooks {
  std::function<void()> before_write;                    // of data
  std::function<void(std::span<std::byte>)> after_read;  // likewise
};

class HookedFile final : public ForwardingFile {
 public:
  HookedFile(std::unique_ptr<File> file, const Hooks& hooks) : ForwardingFile(std::move(file)), hooks_(hooks) {}
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

 private:
  const Hooks& hooks_;
};

// The system's, with hooks in the files of data.
class HookedFiles final : public ForwardingFiles {
 public:
  HookedFiles() : ForwardingFiles(system_files()) {}
  Hooks hooks;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    auto file = files_->open(path, how);
    if (file && path.find(".data") != std::string::npos) {
      return std::make_unique<HookedFile>(std::move(*file), hooks);
    }
    return file;
  }
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
  std::atomic<pid_t> reader_id{0};
  std::atomic<bool> ended{false};
  std::string answer;
  entry.hooked->hooks.before_write = [&] {
    if (reader_id != 0) {
      return;
    }
    reader = std::thread([&] {
      reader_id = ::gettid();
      answer = entry.read({0, 500});
      ended = true;
    });
    CHECK(eventually([&] { return ended || (reader_id != 0 && sleeps(reader_id)); }));
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
  write_and_leave(*entry, {0, 1000});
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
  CHECK(available(*entry) == "{}");
}
