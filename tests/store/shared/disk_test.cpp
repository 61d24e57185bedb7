// A store on a disk that is full to its last byte, and on one that nobody may write to.
#include <strandline/store/store.h>
#include <tests/drivers/scratch.h>

#include <sched.h>
#include <sys/mount.h>

#include <fstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

// body() in a child, with a disk of its own at that place.
template <class F>
void on_disk(const ScratchDir& dir, F&& body) {
  constexpr int kNoMounts = 3;
  const int code = in_child([&] {
    const bool mounted = ::unshare(CLONE_NEWNS | (::getuid() == 0 ? 0 : CLONE_NEWUSER)) == 0 &&
                         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         ::mount("none", dir.path().c_str(), "tmpfs", 0, "size=8m") == 0;
    return mounted ? body() : kNoMounts;
  });
  if (code == kNoMounts) {
    MESSAGE("skipped: this system lets nobody mount");
    return;
  }
  CHECK(code == 0);
}

int fill(Store& store, std::initializer_list<const char*> keys) {
  const Bytes bytes = bytes_for(0, 1 << 20);
  for (const char* key : keys) {
    auto lease = store.acquire(key);
    CHILD_CHECK(lease);
    CHILD_CHECK(lease->writer()->write_at(0, bytes));
    CHILD_CHECK(lease->writer()->commit());
  }
  return 0;
}

}  // namespace

TEST_CASE("F20: on a full disk entries are removed, and the index has them no more once there is room for that") {
  const ScratchDir dir;
  on_disk(dir, [&] {
    auto store = Store::open((dir / "store").native());
    CHILD_CHECK(store);
    CHILD_CHECK(fill(*store, {"a", "b", "c"}) == 0);
    CHILD_CHECK(store->list()->size() == 3);
    std::ofstream ballast(dir / "ballast", std::ios::binary);
    while (ballast << std::string(4096, 'x') << std::flush) {
    }
    for (const char* key : {"a", "b"}) {
      CHILD_CHECK(store->remove(key));
      CHILD_CHECK(!store->contains(key).value());
    }
    CHILD_CHECK(store->list()->size() == 1);
    CHILD_CHECK(store->contains("c", {0, 1 << 20}).value());
    CHILD_CHECK(std::filesystem::space(dir.path()).available >= 1 << 20);  // the rest is the index's
    return 0;
  });
}

TEST_CASE("F22: a store that may not be written to cannot be opened, not to be read either, and says where") {
  const ScratchDir dir;
  on_disk(dir, [&] {
    {
      auto store = Store::open((dir / "store").native());
      CHILD_CHECK(store);
      CHILD_CHECK(fill(*store, {"a"}) == 0);
    }
    CHILD_CHECK(::mount("none", dir.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    const auto store = Store::open((dir / "store").native());
    CHILD_CHECK(!store);
    CHILD_CHECK(store.error().code == Errc::permission_denied);
    CHILD_CHECK(store.error().context.find((dir / "store").native()) != std::string::npos);
    return 0;
  });
}
