# Read by ./serve, ./test and ./mailctl: what they need on this machine, installed when root asks, said in a line each.

# The system's own Python where it is new enough, so that what is built here is what Debian runs.
python_for_venv() {
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Mailstead needs Python 3.11 or newer: apt-get install python3" >&2
    exit 1
}

# need_packages package:command … - a package is missing when its command is; without one, when dpkg says so.
need_packages() {
    local missing=() entry package command
    for entry in "$@"; do
        package=${entry%%:*}
        command=${entry#*:}
        if [ "$package" = python3-venv ]; then
            # A Python that is found may still lack what makes environments: Debian keeps it apart.
            [ -x "$root/.venv/bin/python" ] || "$(python_for_venv 2>/dev/null)" -c 'import ensurepip' 2>/dev/null || missing+=("$package")
        elif [ -z "$command" ]; then
            dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
        elif ! PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null 2>&1 && ! [ -e "$command" ]; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "Missing on this machine: ${missing[*]}. Install with: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing Debian packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    # Debian starts what it installs; the bundle runs its own.
    for package in redis-server postgresql; do
        case " ${missing[*]} " in
        *" $package "*) [ ! -d /run/systemd/system ] || systemctl disable --quiet --now "$package" ;;
        esac
    done
}

# need_venv requirements… - the virtual environment, made or brought to these files, each pinned and hashed.
need_venv() {
    local stamp file
    [ -x "$root/.venv/bin/python" ] || {
        echo "Making the virtual environment .venv"
        "$(python_for_venv)" -m venv "$root/.venv"
    }
    for file in "$@"; do
        stamp="$root/.venv/.installed-$file"
        cmp -s "$root/$file" "$stamp" && continue
        echo "Installing Python packages of $file"
        "$root/.venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$root/$file" 2>"$root/.venv/.pip.log" || {
            cat "$root/.venv/.pip.log" >&2
            exit 1
        }
        cp "$root/$file" "$stamp"
        "$root/.venv/bin/python" -m compileall -q "$root/mail" "$root/listeners" "$root/workers" "$root/app" || true
    done
}
