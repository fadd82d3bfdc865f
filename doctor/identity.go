package doctor

import (
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Identity is a user as the kernel sees it. The zero value is the process itself.
type Identity struct {
	Name   string
	UID    int
	GID    int
	Groups []int // supplementary groups
	other  bool  // not who the process is
}

// Self is who this process is.
func Self() Identity {
	id := Identity{Name: strconv.Itoa(os.Geteuid()), UID: os.Geteuid(), GID: os.Getegid()}
	if u, err := user.LookupId(id.Name); err == nil {
		id.Name = u.Username
	}
	id.Groups, _ = os.Getgroups() // without them the checks say less, and they ask the kernel in the end
	return id
}

// Lookup finds a user with all groups it is a member of, as a new process of that user would have them.
func Lookup(name string) (Identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Name: name}
	if id.UID, err = strconv.Atoi(u.Uid); err != nil {
		return id, fmt.Errorf("user %s: uid %q is no number", name, u.Uid)
	}
	if id.GID, err = strconv.Atoi(u.Gid); err != nil {
		return id, fmt.Errorf("user %s: gid %q is no number", name, u.Gid)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return id, fmt.Errorf("groups of user %s: %w", name, err)
	}
	for _, g := range groups {
		if n, err := strconv.Atoi(g); err == nil {
			id.Groups = append(id.Groups, n)
		}
	}
	id.other = id.UID != os.Geteuid()
	return id, nil
}

// Member reports whether the user is in the group.
func (id Identity) Member(gid int) bool { return id.GID == gid || slices.Contains(id.Groups, gid) }

// String names the user with its groups, as id does.
func (id Identity) String() string {
	var names []string
	for _, g := range id.Groups {
		if g != id.GID {
			names = append(names, groupName(g))
		}
	}
	text := fmt.Sprintf("%s (uid %d, group %s", id.Name, id.UID, groupName(id.GID))
	if len(names) > 0 {
		text += ", also " + strings.Join(names, " ")
	}
	return text + ")"
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

func ownerName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// As runs look with the rights of the user and returns when it is done. Another user than the process's own needs root:
// look then runs on a thread of its own that has taken that user's ids, so that the kernel itself answers, with access
// lists and everything else that mode bits do not show. The thread is thrown away. The other threads of the process keep
// their rights.
func (id Identity) As(look func()) error {
	if !id.other {
		look()
		return nil
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, and with it the borrowed ids
		if err := id.take(); err != nil {
			done <- err
			return
		}
		look()
		done <- nil
	}()
	return <-done
}
