"""Who and what there is in the demo district. Nobody here exists."""

from __future__ import annotations

from typing import Any, Final

from service.assets.models import AssetKind
from service.core.actor import Role

SCHOOLS: Final = {
    "0101": ("Cedar Hollow Elementary", "elementary"),
    "0102": ("Alder Run Elementary", "elementary"),
    "0203": ("Kestrel Bend Middle School", "middle"),
    "0304": ("Ridgewater High School", "high"),
}
BUILDINGS: Final = {"A": "Main building", "B": "East wing"}
ROOMS: Final = {"A": ("101", "102", "103", "104", "Library"), "B": ("201", "202", "Gym")}

Known = tuple[str, str, str]
"""Name, the part of the email before the @, language."""

ADMINS: Final[list[Known]] = [
    ("Marisol Quintero Vega", "marisol.quintero", "es"),
    ("Thaddeus Okonjo", "thaddeus.okonjo", "en"),
]
LEADS: Final[list[Known]] = [
    ("Hồ Minh Châu", "chau.ho", "vi"),
    ("Renata Villaseñor Pruitt", "renata.pruitt", "en"),
]
TECHNICIANS: Final[list[Known]] = [
    ("Wren Halvorsen", "wren.halvorsen", "en"),
    ("Abdirahman Xasan Guuleed", "abdirahman.guuleed", "so"),
    ("Ezequiel Montalvo Reyes", "ezequiel.montalvo", "es"),
    ("Priya Ramanathan-Cole", "priya.cole", "en"),
    ("Lâm Gia Đức", "duc.lam", "vi"),
    ("Tamsin Achebe", "tamsin.achebe", "en"),
]
VENDORS: Final[list[Known]] = [
    ("Copperline Repair", "desk.copperline", "en"),
    ("Northpane Printers", "desk.northpane", "en"),
]
INTEGRATIONS: Final[list[Known]] = [
    ("Network monitor", "network.monitor", "en"),
    ("Device sync", "device.sync", "en"),
]
STAFF: Final[dict[str, list[Known]]] = {
    "0101": [
        ("Inés Calderón Ruiz", "ines.calderon", "es"),
        ("Opal Featherstone", "opal.featherstone", "en"),
        ("Hodan Cabdi Nuur", "hodan.nuur", "so"),
        ("Gideon Marsh-Adeyemi", "gideon.marsh", "en"),
        ("Trần Thị Mai Hương", "huong.tran", "vi"),
        ("Lucille Ostrander", "lucille.ostrander", "en"),
    ],
    "0102": [
        ("Rafael Ibarra Solís", "rafael.ibarra", "es"),
        ("Beatrix Lund", "beatrix.lund", "en"),
        ("Samira El-Khatib", "samira.elkhatib", "ar"),
        ("Desmond Pryce", "desmond.pryce", "en"),
        ("Yolanda Cruz Tapia", "yolanda.cruz", "es"),
        ("Ingrid Vasquez-Holm", "ingrid.holm", "en"),
    ],
    "0203": [
        ("Cornelius Abara", "cornelius.abara", "en"),
        ("Phạm Quốc Bảo", "bao.pham", "vi"),
        ("Maribel Ocampo", "maribel.ocampo", "es"),
        ("Fiona Drummond-Bey", "fiona.drummond", "en"),
        ("Yuusuf Cali Faarax", "yuusuf.faarax", "so"),
        ("Winifred Szabo", "winifred.szabo", "en"),
    ],
    "0304": [
        ("Anselm Kowalczyk", "anselm.kowalczyk", "en"),
        ("Gabriela Nájera Luna", "gabriela.najera", "es"),
        ("طارق الحسيني", "tariq.alhusseini", "ar"),
        ("Josephine Tallchief-Ray", "josephine.ray", "en"),
        ("Ulises Barrera", "ulises.barrera", "es"),
        ("Harriet Nwosu", "harriet.nwosu", "en"),
    ],
}
PUPILS: Final[dict[str, list[Known]]] = {
    "0101": [
        ("Camila Rosales", "camila.rosales", "es"),
        ("Nimco Warsame", "nimco.warsame", "so"),
        ("Theo Blackwood", "theo.blackwood", "en"),
    ],
    "0102": [
        ("Iker Salgado", "iker.salgado", "es"),
        ("Lê An Nhiên", "nhien.le", "vi"),
        ("Maisie Underhill", "maisie.underhill", "en"),
    ],
    "0203": [
        ("سلمى منصور", "salma.mansour", "ar"),
        ("Jonah Petrakis", "jonah.petrakis", "en"),
        ("Ximena Corrales", "ximena.corrales", "es"),
    ],
    "0304": [
        ("Bilan Warsame", "bilan.warsame", "so"),
        ("Quentin Adjei", "quentin.adjei", "en"),
        ("Đỗ Khánh Linh", "linh.do", "vi"),
    ],
}
GUARDIANS: Final[list[tuple[Known, tuple[str, ...]]]] = [
    (("Patricia Rosales", "patricia.rosales", "es"), ("camila.rosales",)),
    (("Faadumo Warsame", "faadumo.warsame", "so"), ("nimco.warsame", "bilan.warsame")),
    (("Rowan Blackwood", "rowan.blackwood", "en"), ("theo.blackwood",)),
    (("Héctor Salgado", "hector.salgado", "es"), ("iker.salgado",)),
    (("Lê Văn Thành", "thanh.le", "vi"), ("nhien.le",)),
    (("Clementine Underhill", "clementine.underhill", "en"), ("maisie.underhill",)),
    (("ليلى منصور", "layla.mansour", "ar"), ("salma.mansour",)),
    (("Dimitra Petrakis", "dimitra.petrakis", "en"), ("jonah.petrakis",)),
    (("Armando Corrales", "armando.corrales", "es"), ("ximena.corrales",)),
    (("Kwabena Adjei", "kwabena.adjei", "en"), ("quentin.adjei",)),
]
MONITOR: Final = "network.monitor"
TRIED_AS: Final = {"teacher": "ines.calderon", "technician": "wren.halvorsen", "integration": MONITOR}
"""Whom the three demo tokens are for."""

QUEUES: Final = {
    "desk": "Service desk",
    "devices": "Devices and repairs",
    "network": "Network",
    "accounts": "Accounts and rosters",
    "classroom": "Classroom technology",
    "safety": "Student safety",
}
CONFIDENTIAL: Final = "safety"
SERVES: Final = {
    "chau.ho": (*QUEUES,),
    "renata.pruitt": (*QUEUES,),
    "wren.halvorsen": ("desk", "devices", "classroom"),
    "abdirahman.guuleed": ("network", "desk"),
    "ezequiel.montalvo": ("devices", "classroom"),
    "priya.cole": ("accounts", "safety"),
    "duc.lam": ("network", "classroom"),
    "tamsin.achebe": ("desk", "accounts", "devices"),
    "network.monitor": ("network", "devices"),
    "device.sync": ("devices",),
}
CATEGORIES: Final = {
    "account": "Accounts",
    "account.password": "Passwords and sign-in",
    "account.roster": "Class lists",
    "av": "Classroom technology",
    "av.projector": "Projectors",
    "av.sound": "Sound",
    "device": "Devices",
    "device.keyboard": "Keyboards and touchpads",
    "device.lost": "Lost or stolen",
    "device.power": "Power and charging",
    "device.screen": "Screens",
    "filter": "Web filter",
    "filter.blocked": "A page is blocked",
    "network": "Network",
    "network.outage": "Outages",
    "network.wifi": "Wi-Fi",
    "phone": "Phones",
    "print": "Printing",
    "print.jam": "Paper and jams",
    "print.toner": "Toner and supplies",
    "safety": "Student safety",
    "safety.concern": "A concern about a pupil",
    "software": "Software",
    "software.update": "Updates",
    "testing": "State testing",
}
ROUTING: Final[list[tuple[dict[str, list[str]], str]]] = [
    ({"category": ["safety"]}, "safety"),
    ({"category": ["network"]}, "network"),
    ({"category": ["account"]}, "accounts"),
    ({"category": ["av", "testing"]}, "classroom"),
    ({"category": ["device", "print"]}, "devices"),
    ({"asset_kind": ["switch", "access_point", "ups"]}, "network"),
]


def _targets(*rows: tuple[int, int, int]) -> dict[str, dict[str, float]]:
    names = ("first_response", "next_response", "resolution")
    return {f"P{n}": dict(zip(names, map(float, row), strict=True)) for n, row in enumerate(rows, 1)}


POLICIES: Final[list[dict[str, Any]]] = [
    {
        "name": "Network and outages",
        "position": 10,
        "matches": {"category": ["network"]},
        "targets": {
            priority: targets | {"update": {"P1": 60.0, "P2": 240.0}.get(priority, 960.0)}
            for priority, targets in _targets(
                (15, 30, 240), (60, 120, 480), (240, 480, 1440), (480, 960, 2880)
            ).items()
        },
        "rules": {
            "escalate": [
                {"target": "resolution", "before_minutes": 30, "tell": ["queue"]},
                {"target": "resolution", "after_minutes": 120, "tell": ["leads", "admins"]},
            ]
        },
    },
    {
        "name": "Classrooms",
        "position": 20,
        "matches": {"requester_role": ["staff"]},
        "targets": _targets((30, 60, 240), (60, 120, 480), (240, 480, 1440), (480, 960, 4800)),
        "rules": {"on_reopen": "new_cycle", "warn_at": [0.75]},
    },
    {
        "name": "Families and pupils",
        "position": 30,
        "matches": {"requester_role": ["pupil", "guardian"]},
        "targets": _targets((60, 120, 480), (120, 240, 960), (480, 480, 2400), (960, 960, 4800)),
        "rules": {"warn_at": [0.75]},
    },
    {
        "name": "Everything else",
        "position": 100,
        "matches": {},
        "targets": _targets((60, 120, 480), (240, 480, 960), (480, 960, 2400), (960, 960, 4800)),
        "rules": {"warn_at": [0.75]},
    },
    {
        "name": "Devices and repairs",
        "kind": "ola",
        "matches": {"queue": ["devices"]},
        "targets": {
            "P1": {"update": 60.0, "resolution": 240.0},
            "P2": {"update": 240.0, "resolution": 480.0},
            "P3": {"update": 480.0, "resolution": 1440.0},
            "P4": {"update": 960.0, "resolution": 2880.0},
        },
        "rules": {"warn_at": [0.9]},
    },
]
CONTRACT: Final[dict[str, Any]] = {
    "name": "Copperline repairs",
    "kind": "vendor",
    "targets": {f"P{n}": {"resolution": 3 * 480.0} for n in range(1, 5)},
    "rules": {
        "warn_at": [],
        "escalate": [{"target": "resolution", "before_minutes": 240, "tell": ["assignee"]}],
    },
}
"""Three working days for a repair, with the first of the vendors."""

MODELS: Final = {
    AssetKind.CHROMEBOOK: ("CB", 151, "Larkbook 11"),
    AssetKind.TABLET: ("TB", 30, "Slatepad 9"),
    AssetKind.LAPTOP: ("LT", 30, "Wayfarer 14"),
    AssetKind.DESKTOP: ("DT", 12, "Deskline M2"),
    AssetKind.PRINTER: ("PR", 12, "Inkwell 4200"),
    AssetKind.PROJECTOR: ("PJ", 16, "Brightbeam 3000"),
    AssetKind.DISPLAY: ("DS", 6, "Boardview 75"),
    AssetKind.PHONE: ("PH", 4, "Talkwell 20"),
    AssetKind.SWITCH: ("SW", 4, "Crosslane 48"),
    AssetKind.ACCESS_POINT: ("AP", 4, "Skyleaf 6"),
    AssetKind.UPS: ("UP", 2, "Steadypower 1500"),
}
"""By kind: the prefix of the tag, how many there are, the model. The simulated network brings 29 more
(service/demo/network/founding.py), which makes 300.
"""


def everybody() -> list[tuple[Known, Role, str | None]]:
    """All sixty, with their role and school."""
    of_desk = [
        (ADMINS, Role.ADMIN),
        (LEADS, Role.LEAD),
        (TECHNICIANS, Role.TECHNICIAN),
        (VENDORS, Role.VENDOR),
        (INTEGRATIONS, Role.INTEGRATION),
    ]
    found: list[tuple[Known, Role, str | None]] = []
    found += [(one, role, None) for ones, role in of_desk for one in ones]
    for people, role in ((STAFF, Role.STAFF), (PUPILS, Role.PUPIL)):
        found += [(one, role, school) for school, ones in people.items() for one in ones]
    return found + [(one, Role.GUARDIAN, None) for one, _ in GUARDIANS]
