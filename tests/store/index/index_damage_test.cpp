// What becomes of an index whose file is damaged, foreign, gone, or on a full disk: it is made anew or an error says
// why.
#include <tests/store/index/index_scene.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kRows = 2000;

// An index of kRows rows, closed.
struct Filled : Scene {
  Filled() {
    const auto index = open();
    const auto rebuild = needed(index->rebuild());
    std::vector<IndexRow> rows;
    for (std::uint64_t i = 0; i < kRows; ++i) {
      rows.push_back(row_of(i));
    }
    needed(rebuild->add(rows));
    needed(rebuild->finish());
  }
  void write(std::uint64_t offset, std::span<const std::byte> bytes) const {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(file.flush());
  }
  void sql(const char* statements) const {
    sqlite3* database = nullptr;
    REQUIRE(::sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
    CHECK(::sqlite3_exec(database, statements, nullptr, nullptr, nullptr) == SQLITE_OK);
    ::sqlite3_close(database);
  }
};

// It has been made anew, and works.
void check_fresh(Scene& scene) {
  const auto index = scene.open();
  const IndexTotals totals = needed(index->totals());
  CHECK(totals.entries == 0);
  CHECK(totals.allocated == 0);
  CHECK_FALSE(totals.whole);
  needed(index->put(row_of(1)));
  CHECK(needed(index->find(row_of(1).name)) == row_of(1));
}

void check_kept(Scene& scene) {
  const auto index = scene.open();
  CHECK(needed(index->totals()).entries == kRows);
  CHECK(needed(index->totals()).whole);
  CHECK(adds_up(*index));
}

// Everything that an index can be asked; the first error, or none.
Errc ask_everything(Index& index) {
  Errc first{};
  const auto note = [&](Errc code) { first = first == Errc{} ? code : first; };
  for (std::uint64_t i = 0; i < kRows; i += 40) {
    note(code_of(index.find(row_of(i).name)));
    note(code_of(index.put(row_of(i + kRows))));
    note(code_of(index.remove(row_of(i).name)));
  }
  note(code_of(index.list({}, nullptr, 2 * kRows)));
  note(code_of(index.oldest(nullptr, 2 * kRows)));
  note(code_of(index.left_open()));
  note(code_of(index.totals()));
  return first;
}

}  // namespace

TEST_CASE("what is no index is moved aside, and a new one made") {
  Filled scene;
  SUBCASE("a header that is none") {
    scene.write(0, bytes_for(0, 100));
  }
  SUBCASE("another kind of file") {
    make_file(scene.path, 5000);
  }
  SUBCASE("one byte") {
    make_file(scene.path, 1);
  }
  SUBCASE("another schema") {
    scene.sql("PRAGMA user_version=2");
  }
  SUBCASE("another program's") {
    scene.sql("PRAGMA application_id=7");
  }
  SUBCASE("a table too many") {
    scene.sql("CREATE TABLE more(a)");
  }
  SUBCASE("a trigger missing") {
    scene.sql("DROP TRIGGER entries_added");
  }
  SUBCASE("no totals") {
    scene.sql("DELETE FROM totals");
  }
  SUBCASE("cut short") {
    std::filesystem::resize_file(scene.path, 40960);
  }
  SUBCASE("cut inside a page") {
    std::filesystem::resize_file(scene.path, 40000);
  }
  const Bytes before = file_bytes(scene.path);
  make_file(scene.path + ".bad", 10);
  make_file(scene.path + ".bad-wal", 10);
  check_fresh(scene);
  CHECK(file_bytes(scene.path + ".bad").size() == before.size());
  CHECK(scene.folder.names() == "index-1.sqlite index-1.sqlite.bad index-1.sqlite.lock");
  const auto index = scene.open();
  CHECK(needed(index->totals()).entries == 1);
}

TEST_CASE("an index that is gone, or empty, is made, whatever lies beside it") {
  Filled scene;
  SUBCASE("gone") {
    std::filesystem::remove(scene.path);
  }
  SUBCASE("empty") {
    std::filesystem::resize_file(scene.path, 0);
  }
  SUBCASE("gone, but for a log") {
    std::filesystem::remove(scene.path);
    make_file(scene.path + "-wal", 100000);
    make_file(scene.path + "-shm", 32768);
  }
  SUBCASE("gone with all that belongs to it") {
    for (const char* ending : {"", ".lock"}) {
      std::filesystem::remove(scene.path + ending);
    }
  }
  check_fresh(scene);
}

TEST_CASE("what somebody else has put there is left alone") {
  Scene scene;
  SUBCASE("a folder") {
    std::filesystem::create_directory(scene.path);
  }
  SUBCASE("a symlink") {
    std::filesystem::create_symlink(scene.folder / "elsewhere", scene.path);
  }
  const auto opened = scene.try_open();
  CHECK(code_of(opened) == Errc::invalid_argument);
  CHECK(opened.error().message().find(scene.path) != std::string::npos);
  CHECK(std::filesystem::exists(std::filesystem::symlink_status(scene.path)));
  CHECK_FALSE(std::filesystem::exists(scene.path + ".bad"));
}

TEST_CASE("every byte of the header, flipped: the index is kept or made anew, never an error") {
  Filled filled;
  const Bytes good = file_bytes(filled.path);
  const Bytes lock = file_bytes(filled.path + ".lock");
  int kept = 0;
  for (std::size_t at = 0; at < 100; ++at) {
    CAPTURE(at);
    Scene scene;
    Bytes bad = good;
    bad[at] ^= std::byte{0x15};
    std::ofstream(scene.path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bad.data()), static_cast<std::streamsize>(bad.size()));
    std::filesystem::copy_file(filled.path + ".lock", scene.path + ".lock");
    const auto index = scene.try_open();
    REQUIRE_MESSAGE(index, index.error().message());
    const auto totals = needed((*index)->totals());
    kept += totals.whole;
    CHECK(totals.entries == (totals.whole ? kRows : 0));
    const Errc answer = ask_everything(**index);
    CHECK((answer == Errc{} || answer == Errc::corrupt));
  }
  CHECK(kept > 20);  // reserved bytes, counters
  CHECK(kept < 80);
  CHECK(lock.size() == 2);
}

TEST_CASE("a damaged page is corrupt when it is met, and recreate() begins anew") {
  Filled scene;
  const std::uint64_t pages = std::filesystem::file_size(scene.path) / 4096;
  const Bytes rubbish = bytes_for(1, 4096);
  const Bytes good = file_bytes(scene.path);
  std::uint64_t corrupt = 0;
  for (std::uint64_t page = 1; page < pages; page += 9) {
    CAPTURE(page);
    std::ofstream(scene.path, std::ios::binary)
        .write(reinterpret_cast<const char*>(good.data()), static_cast<std::streamsize>(good.size()));
    std::filesystem::resize_file(scene.path + ".lock", 2);
    scene.write(page * 4096, rubbish);
    auto index = scene.open();
    if (!needed(index->totals()).whole) {
      continue;  // the totals' own page, or the tables': found when opened
    }
    const Errc answer = ask_everything(*index);
    CHECK(answer == Errc::corrupt);
    ++corrupt;
    needed(index->recreate());
    CHECK_FALSE(needed(index->totals()).whole);
    CHECK(ask_everything(*index) == Errc{});
    CHECK(adds_up(*index));
    index.reset();
    CHECK(integrity(scene.path) == "ok");
  }
  CHECK(corrupt > 10);
}

TEST_CASE("a log that is lost or damaged costs what was in it, not more") {
  Filled scene;
  CHECK(in_child([&] {
          auto index = scene.try_open();
          for (std::uint64_t i = kRows; i < kRows + 500; ++i) {
            CHILD_CHECK((*index)->put(row_of(i)));
          }
          static_cast<void>(index->release());
          return 0;
        }) == 0);
  const std::string log = scene.path + "-wal";
  REQUIRE(std::filesystem::file_size(log) > 100000);
  std::uint64_t most = kRows + 500;
  SUBCASE("lost, with its index") {
    std::filesystem::remove(log);
    std::filesystem::remove(scene.path + "-shm");
    most = kRows + 499;
  }
  SUBCASE("lost, its index left") {
    std::filesystem::remove(log);
    most = kRows + 499;
  }
  SUBCASE("its index lost") {
    std::filesystem::remove(scene.path + "-shm");
  }
  SUBCASE("its index damaged") {
    make_file(scene.path + "-shm", 32768);
  }
  SUBCASE("cut in the middle") {
    std::filesystem::resize_file(log, std::filesystem::file_size(log) / 2);
    most = kRows + 499;
  }
  SUBCASE("flipped in the middle") {
    std::fstream file(log, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(log) / 2));
    file.put('x').put('y').put('z');
  }
  const auto index = scene.open();
  const auto totals = needed(index->totals());
  CHECK(totals.whole);
  CHECK(totals.entries >= kRows);
  CHECK(totals.entries <= most);
  CHECK(adds_up(*index));
}

TEST_CASE("an index whose file was removed from under it says so, and recreate() makes another") {
  Filled scene;
  auto index = scene.open();
  std::filesystem::remove(scene.path);
  CHECK(code_of(index->put(row_of(1))) == Errc::corrupt);
  CHECK(code_of(index->totals()) == Errc::corrupt);
  needed(index->recreate());
  needed(index->put(row_of(1)));
  index.reset();
  CHECK(needed(scene.open()->totals()).entries == 1);
}

TEST_CASE("F20: on a full disk nothing is lost, and it goes on when there is room") {
  const ScratchDir dir;
  constexpr int kNoMounts = 3;
  const int code = in_child([&] {
    if (::unshare(CLONE_NEWNS | (::getuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", dir.path().c_str(), "tmpfs", 0, "size=3m") != 0) {
      return kNoMounts;
    }
    make_file(dir / "ballast", 1 << 20);
    auto index = Index::open({dir / "index", boot(1)});
    CHILD_CHECK(index);
    std::uint64_t put = 0;
    Result<void> done;
    while ((done = (*index)->put(row_of(put)))) {
      ++put;
    }
    CHILD_CHECK(code_of(done) == Errc::no_space);
    CHILD_CHECK(done.error().message().find((dir / "index").native()) != std::string::npos);
    CHILD_CHECK((*index)->totals()->entries == put);
    std::filesystem::remove(dir / "ballast");
    CHILD_CHECK((*index)->put(row_of(put)));
    ++put;
    CHILD_CHECK((*index)->find(row_of(put / 2).name) == row_of(put / 2));
    index->reset();
    // A disk that is full to the last byte.
    std::ofstream ballast(dir / "ballast", std::ios::binary);
    while (ballast << std::string(4096, 'x') << std::flush) {
    }
    index = Index::open({dir / "index", boot(1)});
    CHILD_CHECK(code_of(index) == Errc::no_space);
    CHILD_CHECK(code_of(Index::open({dir / "another", boot(1)})) == Errc::no_space);
    ballast.close();
    std::filesystem::remove(dir / "ballast");
    index = Index::open({dir / "index", boot(1)});
    CHILD_CHECK(index);
    CHILD_CHECK((*index)->totals()->entries == put);
    CHILD_CHECK(adds_up(**index));
    return 0;
  });
  if (code == kNoMounts) {
    MESSAGE("skipped: this system lets nobody mount");
    return;
  }
  CHECK(code == 0);
}

TEST_CASE("F21: a limit of the file's size is an error and no signal") {
  Filled scene;
  CHECK(in_child([&] {
          auto index = scene.try_open();
          CHILD_CHECK(index);
          const struct ::rlimit limit = {100'000, 100'000};
          CHILD_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
          Result<void> done;
          for (std::uint64_t i = 0; i < 1000 && done; ++i) {
            done = (*index)->put(row_of(kRows + i));
          }
          CHILD_CHECK(code_of(done) == Errc::too_large);
          CHILD_CHECK((*index)->find(row_of(1).name) == row_of(1));
          index->reset();
          return 0;
        }) == 0);
  const auto index = scene.open();
  CHECK(needed(index->totals()).entries >= kRows);
  CHECK(adds_up(*index));
}

TEST_CASE("a folder that cannot be written, and files of somebody else") {
  Filled scene;
  const auto as_nobody = [&](Errc wanted) {
    return in_child([&] {
      CHILD_CHECK(::getuid() != 0 || ::setresuid(65534, 65534, 65534) == 0);
      const auto opened = scene.try_open();
      CHILD_CHECK(code_of(opened) == wanted);
      CHILD_CHECK(opened.error().message().find(scene.path) != std::string::npos);
      return 0;
    });
  };
  std::filesystem::permissions(scene.folder.path(), std::filesystem::perms(0555));
  SUBCASE("there is one, which nobody may open") {
    std::filesystem::permissions(scene.path, std::filesystem::perms(0444));
    std::filesystem::permissions(scene.path + ".lock", std::filesystem::perms(0444));
    CHECK(as_nobody(Errc::permission_denied) == 0);
    std::filesystem::permissions(scene.path + ".lock", std::filesystem::perms(0666));
    CHECK(as_nobody(Errc::permission_denied) == 0);
    std::filesystem::permissions(scene.path, std::filesystem::perms(0600));
    CHECK((::getuid() != 0 || as_nobody(Errc::permission_denied) == 0));
  }
  std::filesystem::permissions(scene.folder.path(), std::filesystem::perms(0755));
  check_kept(scene);
  struct ::stat facts {};
  CHECK(::stat(scene.path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
}

TEST_CASE("there is no index in a folder that is not there") {
  CHECK(code_of(Index::open({"/nonexistent/index", boot(1)})) == Errc::not_found);
}
