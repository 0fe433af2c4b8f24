"""The engines, in the order in which they are asked."""

from ctrscope.engines.containerd import Containerd
from ctrscope.engines.crio import CriO
from ctrscope.engines.docker import Docker
from ctrscope.engines.engine import Engine
from ctrscope.engines.incus import Incus, Lxd
from ctrscope.engines.lxc import Lxc
from ctrscope.engines.oci_runtime import Crun, Runc
from ctrscope.engines.podman import Podman
from ctrscope.engines.systemd_nspawn import Nspawn

#: An engine that drives another one stands before it.
ENGINES: tuple[Engine, ...] = (Docker(), Podman(), CriO(), Containerd(), Lxc(), Incus(), Lxd(), Nspawn(), Runc(), Crun())
