//go:build lab

package lab

import (
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postfix is one running Postfix with folders of its own.
type postfix struct {
	lab     *Lab
	name    string
	dir     string   // configuration
	maillog *maillog // of this instance
	process *process
}

// postfixConfig is what every instance needs. No file is chrooted, nobody is
// told about bounces, and mail is never delivered to a mailbox.
const postfixConfig = `compatibility_level = 3.6
queue_directory = {{.Dir}}/queue
data_directory = {{.Dir}}/data
maillog_file = {{.Log}}
maillog_file_prefixes = {{.LogDir}}
myhostname = {{.Name}}.lab.test
inet_interfaces = {{range $i, $ip := .IPs}}{{if $i}}, {{end}}{{$ip}}{{end}}
inet_protocols = all
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8, [::1]/128, [fd00:25::]/64
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
notify_classes =
in_flow_delay = 0
{{.More}}`

const postfixServices = `cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
smtp      unix  - - n -     - smtp
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
anvil     unix  - - n -     1 anvil
postlog   unix-dgram n - n - 1 postlogd
`

// startPostfix starts an instance that takes mail on port 25 of the addresses,
// and waits until it does.
func (l *Lab) startPostfix(t testing.TB, name string, ips []string, more string) *postfix {
	t.Helper()
	dir := l.makeDir(t, name)
	p := &postfix{lab: l, name: name, dir: dir, maillog: &maillog{file: l.logFile(name + ".mail")}}
	l.makeSpool(t, name)
	age(t, l.render(t, name+"/main.cf", postfixConfig, map[string]any{
		"Dir": dir, "Log": p.maillog.file, "LogDir": l.Dir + "/logs", "Name": name, "IPs": ips, "More": more,
	}))
	var listeners strings.Builder
	for _, ip := range ips {
		listeners.WriteString(net.JoinHostPort(ip, "25") + " inet n - n - - smtpd\n")
	}
	l.write(t, name+"/master.cf", listeners.String()+postfixServices)
	p.start(t, ips)
	return p
}

// age makes a configuration file look as if it had been there for a while.
// Postfix's programs wait until a file has not changed for two seconds.
func age(t testing.TB, file string) {
	t.Helper()
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(file, then, then); err != nil {
		t.Fatal(err)
	}
}

// makeSpool makes the folders that Postfix expects in its queue, as its own
// set-up does. The file quick-start tells its start script that they are there:
// its search for mistakes takes a second.
func (l *Lab) makeSpool(t testing.TB, name string) {
	t.Helper()
	uid, group, err := postfixIDs()
	if err != nil {
		t.Fatal(err)
	}
	queue := l.makeDir(t, name+"/queue")
	private := []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"}
	for _, folder := range private {
		err = errors.Join(err, makeOwned(filepath.Join(queue, folder), 0o700, uid, 0))
	}
	err = errors.Join(err,
		makeOwned(filepath.Join(queue, "maildrop"), 0o730|os.ModeSticky, uid, group),
		makeOwned(filepath.Join(queue, "public"), 0o710, uid, group),
		makeOwned(filepath.Join(queue, "pid"), 0o755, 0, 0),
		makeOwned(filepath.Join(l.Dir, name, "data"), 0o700, uid, 0))
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, name+"/queue/quick-start", "")
}

func makeOwned(dir string, mode os.FileMode, uid, gid int) error {
	return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode), os.Chown(dir, uid, gid))
}

// postfixIDs gives the user that Postfix's processes run as, and the group of
// its tools that hand in mail.
func postfixIDs() (uid, gid int, err error) {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return 0, 0, err
	}
	group, err := user.LookupGroup("postdrop")
	if err != nil {
		return 0, 0, err
	}
	uid, err = strconv.Atoi(owner.Uid)
	if err == nil {
		gid, err = strconv.Atoi(group.Gid)
	}
	return uid, gid, err
}

func (p *postfix) start(t testing.TB, ips []string) {
	t.Helper()
	p.process = p.lab.start(t, p.name, "postfix", "-c", p.dir, "start-fg")
	// The process that was started is a script; the master process is its child
	// in a process group of its own.
	p.process.pid = func() int {
		if pid := p.master(); pid > 0 {
			return pid
		}
		return p.process.cmd.Process.Pid
	}
	p.process.waitReady(t, func() bool {
		for _, ip := range ips {
			if !greets(ip) {
				return false
			}
		}
		return true
	})
}

// master gives the process ID of the master process, 0 when it does not run.
func (p *postfix) master() int {
	text, err := os.ReadFile(p.dir + "/queue/pid/master.pid")
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// greets says whether an SMTP server on port 25 of an address greets.
func greets(ip string) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip, "25"), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	n, _ := conn.Read(greeting)
	return string(greeting[:n]) == "220 "
}
