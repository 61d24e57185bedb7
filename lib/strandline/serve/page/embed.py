"""Writes files into a C++ source that answers them: embed.py OUTPUT FILE..."""

import pathlib
import sys

LINE = 32


def array(content):
    lines = [content[at:at + LINE] for at in range(0, len(content), LINE)]
    return "\n".join("    " + "".join(f"{byte}," for byte in line) for line in lines)


def main(output, *files):
    paths = sorted((pathlib.Path(file) for file in files), key=lambda path: path.name)
    parts = ["#include <strandline/serve/control/page.h>\n\nnamespace strandline::serve {\nnamespace {\n"]
    for number, path in enumerate(paths):
        parts.append(f"constexpr unsigned char k{number}[] = {{\n{array(path.read_bytes())} 0}};  // {path.name}")
    parts.append("std::string_view text(const unsigned char* bytes, std::size_t size) {\n"
                 "  return {reinterpret_cast<const char*>(bytes), size - 1};\n}\n\n}  // namespace\n")
    parts.append("std::span<const PageFile> page_files() noexcept {\n  static const PageFile files[] = {")
    parts += [f'      {{"{path.name}", text(k{number}, sizeof k{number})}},' for number, path in enumerate(paths)]
    parts.append("  };\n  return files;\n}\n\n}  // namespace strandline::serve\n")
    pathlib.Path(output).write_text("\n".join(parts), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
