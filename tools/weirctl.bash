# SPDX-License-Identifier: Apache-2.0
# What bash completes after weirctl. Names come from the server that -s names, if it runs.

_weirctl_ask() {
	local at=() i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) at=(-s "${COMP_WORDS[i + 1]}") ;;
		esac
	done
	weirctl "${at[@]}" "$@" 2>/dev/null
}

# What of the words begins like this. They may be names of the server, which nothing here and no shell later shall run:
# compgen -W would.
_weirctl_choose() {
	local one list
	read -r -d '' -a list <<<"$2"
	COMPREPLY=()
	for one in "${list[@]}"; do
		[[ $one != "$1"* ]] || COMPREPLY+=("$(printf %q "$one")")
	done
}

_weirctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=() i choices=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | --revision | --close) ((i++)) ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $previous in
	-s | --socket) COMPREPLY=($(compgen -f -- "$current")) && return ;;
	--close) _weirctl_choose "$current" "now keep 30s 5m" && return ;;
	esac
	case ${words[0]:-}/${#words[@]} in
	/0) choices="status generations reload upgrade stop modules metrics routes upstreams servers revert export
		$(_weirctl_ask modules | sed -n 's/^  weirctl \([^ ]*\) .*/\1/p')" ;;
	routes/1 | upstreams/1) choices="set add delete patch replace $(_weirctl_ask "${words[0]}" | sed '1d; s/ .*//')" ;;
	routes/2 | upstreams/2)
		case ${words[1]} in
		set | delete) choices=$(_weirctl_ask "${words[0]}" | sed '1d; s/ .*//') ;;
		patch | replace) COMPREPLY=($(compgen -f -- "$current")) && return ;;
		esac ;;
	servers/1) choices=$(_weirctl_ask upstreams | sed '1d; s/ .*//') ;;
	servers/2) choices="add set drain remove" ;;
	servers/3) choices=$(_weirctl_ask servers "${words[1]}" | sed '1d; s/ .*//') ;;
	servers/4) choices="weight= backup=yes backup=no" ;;
	revert/1) choices="routes upstreams" ;;
	revert/*) choices=$(_weirctl_ask "${words[1]}" | sed '1d; s/ .*//') ;;
	status/* | generations/* | reload/* | upgrade/* | stop/* | modules/* | metrics/* | export/*) ;;
	*/1) choices=$(_weirctl_ask modules | sed -n "s/^  weirctl ${words[0]} \([^ ]*\).*/\1/p") ;;
	esac
	case $current in
	-*) choices="--socket --json --version --help --revision --dry-run --close --not-durable --all" ;;
	esac
	_weirctl_choose "$current" "$choices"
}
complete -F _weirctl weirctl
