#include "app/cli/completion.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace sluice::app::cli {
namespace {

struct Word {
  std::string text;
  std::string does;
};

// One command and what may follow it.
struct Entry {
  std::string path;  // "targets list"; "" is the program itself
  std::vector<Word> words;
};

struct Grammar {
  std::vector<Entry> entries;
  std::vector<std::string> file_options;   // that take the name of a file
  std::vector<std::string> value_options;  // that take another value
};

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::ranges::find(list, text) == list.end()) list.push_back(text);
}

void collect(const CLI::App& command, const std::string& path, Grammar& grammar) {
  Entry entry{.path = path, .words = {}};
  for (const CLI::App* each : command.get_subcommands({})) {
    entry.words.push_back({each->get_name(), each->get_description()});
  }
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& long_name : option->get_lnames()) {
      const std::string name = "--" + long_name;
      entry.words.push_back({name, option->get_description()});
      if (option->get_items_expected_max() == 0) continue;
      const bool is_file = long_name == "config" || long_name.ends_with("-file");
      add_once(is_file ? grammar.file_options : grammar.value_options, name);
    }
    if (path == "completion" && option->get_positional()) {
      entry.words.push_back({"bash", "for bash"});
      entry.words.push_back({"zsh", "for zsh"});
    }
  }
  grammar.entries.push_back(std::move(entry));
  for (const CLI::App* each : command.get_subcommands({})) {
    collect(*each, path.empty() ? each->get_name() : path + " " + each->get_name(), grammar);
  }
}

Grammar grammar_of(const CLI::App& program) {
  Grammar grammar;
  collect(program, "", grammar);
  return grammar;
}

// One word of the shell, whatever is in it.
std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

// Patterns of `case` for the commands there are.
std::string paths_of(const Grammar& grammar) {
  std::vector<std::string> paths;
  for (const Entry& entry : grammar.entries) {
    if (!entry.path.empty()) paths.push_back(shell_word(entry.path));
  }
  return joined(paths, "|");
}

}  // namespace

std::string bash_completion(const CLI::App& program) {
  const Grammar grammar = grammar_of(program);
  std::string out =
      "# Completion for bash: source <(sluice completion bash)\n"
      "_sluice() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local command='' choices='' word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"${command:+$command }$word\" in\n"
      "      " +
      paths_of(grammar) +
      ") command=\"${command:+$command }$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  COMPREPLY=()\n"
      "  case \"$previous\" in\n"
      "    " +
      joined(grammar.file_options, "|") +
      ") mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
      "    " +
      joined(grammar.value_options, "|") +
      ") return ;;\n"
      "  esac\n"
      "  case \"$command\" in\n";
  for (const Entry& entry : grammar.entries) {
    std::vector<std::string> words;
    for (const Word& word : entry.words) words.push_back(word.text);
    out +=
        "    " + shell_word(entry.path) + ") choices=" + shell_word(joined(words, " ")) + " ;;\n";
  }
  out +=
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$current\")\n"
      "}\n"
      "complete -o filenames -F _sluice sluice\n";
  return out;
}

std::string zsh_completion(const CLI::App& program) {
  const Grammar grammar = grammar_of(program);
  std::string out =
      "#compdef sluice\n"
      "# Completion for zsh: source <(sluice completion zsh), or a file _sluice in $fpath\n"
      "_sluice() {\n"
      "  local command='' word\n"
      "  local -a choices\n"
      "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
      "    case \"${command:+$command }$word\" in\n"
      "      (" +
      paths_of(grammar) +
      ") command=\"${command:+$command }$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"${words[CURRENT-1]}\" in\n"
      "    (" +
      joined(grammar.file_options, "|") +
      ") _files; return ;;\n"
      "    (" +
      joined(grammar.value_options, "|") +
      ") return ;;\n"
      "  esac\n"
      "  case \"$command\" in\n";
  for (const Entry& entry : grammar.entries) {
    std::vector<std::string> words;
    for (const Word& word : entry.words) words.push_back(shell_word(word.text + ":" + word.does));
    out += "    (" + shell_word(entry.path) + ") choices=(" + joined(words, " ") + ") ;;\n";
  }
  out +=
      "  esac\n"
      "  _describe 'sluice' choices\n"
      "}\n"
      "if [[ \"${funcstack[1]}\" == _sluice ]]; then _sluice \"$@\"; else compdef _sluice sluice; "
      "fi\n";
  return out;
}

}  // namespace sluice::app::cli
