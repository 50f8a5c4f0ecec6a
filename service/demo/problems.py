"""What goes wrong in a school, in the words of those whom it happens to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.assets.models import AssetKind
from service.tickets.models import Kind
from service.tickets.priority import Impact, Urgency
from service.tickets.resolution import Cause, Fix


@dataclass(frozen=True, slots=True)
class Words:
    """One problem in one language, from both sides of the desk."""

    subject: str
    description: str
    question: str
    answer: str
    resolution: str


@dataclass(frozen=True, slots=True)
class Problem:
    category: str
    cause: Cause
    fix: Fix
    words: dict[str, Words]
    device: AssetKind | None = None
    impact: Impact = Impact.INDIVIDUAL
    urgency: Urgency = Urgency.WORKAROUND
    kind: Kind = Kind.INCIDENT
    shared_device: bool = False
    tags: tuple[str, ...] = ()


HELLO: Final = {
    "en": ("Thank you, I am on it.", "I will come by after this period.", "Got it. Looking at it now."),
    "es": ("Gracias, ya lo estoy viendo.", "Paso por el salón después de esta clase.", "Recibido."),
}
THANKS: Final = {"en": "Works again. Thank you!", "es": "Ya funciona. ¡Muchas gracias!"}
STILL: Final = {"en": "It is back. The same as yesterday.", "es": "Volvió a pasar, igual que ayer."}
NUDGE: Final = {"en": "Is there any news on this?", "es": "¿Hay alguna novedad?"}

PROBLEMS: Final[list[Problem]] = [
    Problem(
        "av.projector",
        Cause.AV_CABLE,
        Fix.ONSITE_REPLACE_PART,
        {
            "en": Words(
                "Projector shows no picture",
                "Blue screen since second period. I checked that the cable is in.",
                "Does the projector say “no signal”, or is it blank?",
                "It says no signal on HDMI 1.",
                "The HDMI cable was broken at the plug. I put in a new one.",
            ),
            "es": Words(
                "El proyector no muestra imagen",
                "Pantalla azul desde la segunda hora. El cable está conectado.",
                "¿Dice “sin señal” o se queda en negro?",
                "Dice sin señal en HDMI 1.",
                "El cable HDMI estaba roto. Puse uno nuevo.",
            ),
        },
        AssetKind.PROJECTOR,
        Impact.CLASSROOM,
        Urgency.CANNOT_WORK,
        shared_device=True,
    ),
    Problem(
        "av.projector",
        Cause.AV_LAMP,
        Fix.ONSITE_REPLACE_PART,
        {
            "en": Words(
                "Projector is very dim",
                "The back row cannot read the slides any more.",
                "Is there a lamp light blinking on the projector?",
                "Yes, orange, three times.",
                "New lamp. The old one had 4,100 hours.",
            )
        },
        AssetKind.PROJECTOR,
        Impact.CLASSROOM,
        Urgency.WORKAROUND,
        shared_device=True,
        tags=("spare-lamp",),
    ),
    Problem(
        "av.sound",
        Cause.AV_AUDIO_ROUTE,
        Fix.SELF_GUIDED,
        {
            "en": Words(
                "No sound in the gym",
                "The assembly starts at two and the speakers are silent.",
                "Which input is lit on the mixer?",
                "Input 3, the laptop is on input 1.",
                "We switched the mixer to input 1 together on the phone.",
            ),
            "es": Words(
                "No hay sonido en el gimnasio",
                "La asamblea empieza a las dos y las bocinas no suenan.",
                "¿Qué entrada está encendida en la consola?",
                "La entrada 3; la laptop está en la 1.",
                "Cambiamos la consola a la entrada 1 por teléfono.",
            ),
        },
        None,
        Impact.SCHOOL,
        Urgency.WORKAROUND,
    ),
    Problem(
        "device.screen",
        Cause.DISPLAY_CRACKED,
        Fix.SWAP_LOANER,
        {
            "en": Words(
                "Chromebook screen is cracked",
                "It fell off the desk. Half of the screen is black.",
                "Can you bring it to the library with its charger?",
                "Yes, I will bring it before lunch.",
                "Gave out a loaner; the screen goes to the repair shop.",
            ),
            "es": Words(
                "La pantalla del Chromebook está rota",
                "Se cayó de la mesa. La mitad de la pantalla está negra.",
                "¿Puede llevarlo a la biblioteca con su cargador?",
                "Sí, lo llevo antes del almuerzo.",
                "Entregamos uno de préstamo; la pantalla va al taller.",
            ),
        },
        AssetKind.CHROMEBOOK,
        Impact.INDIVIDUAL,
        Urgency.CANNOT_WORK,
        tags=("loaner",),
    ),
    Problem(
        "device.power",
        Cause.POWER_CHARGER,
        Fix.SWAP_PERMANENT,
        {
            "en": Words(
                "Chromebook does not charge",
                "It has been on the charger all night and stays at 2 %.",
                "Does it charge with a neighbour's charger?",
                "Yes, with another one it does.",
                "The charger was dead. Handed out a new one.",
            ),
            "es": Words(
                "El Chromebook no carga",
                "Estuvo toda la noche conectado y sigue en 2 %.",
                "¿Carga con el cargador de otra persona?",
                "Sí, con otro sí carga.",
                "El cargador no servía. Entregamos uno nuevo.",
            ),
        },
        AssetKind.CHROMEBOOK,
    ),
    Problem(
        "device.keyboard",
        Cause.INPUT_KEYBOARD,
        Fix.VENDOR_RMA,
        {
            "en": Words(
                "Three keys are missing",
                "E, R and the space bar. Typing an essay is impossible.",
                "Are the key caps still there?",
                "No, they are gone.",
                "The keyboard was replaced under warranty.",
            ),
            "es": Words(
                "Faltan tres teclas",
                "La E, la R y la barra espaciadora. No se puede escribir.",
                "¿Todavía tiene las teclas?",
                "No, se perdieron.",
                "Cambiaron el teclado por garantía.",
            ),
        },
        AssetKind.CHROMEBOOK,
    ),
    Problem(
        "device.lost",
        Cause.LOSS_LOST,
        Fix.REMOTE_COMMAND,
        {
            "en": Words(
                "Chromebook left on the bus",
                "Route 12, this morning. The driver has not found it.",
                "When did you see it last?",
                "On the bus, about seven twenty.",
                "Locked it from here. The bus yard found it under a seat.",
            ),
            "es": Words(
                "El Chromebook se quedó en el autobús",
                "Ruta 12, esta mañana. El chofer no lo encuentra.",
                "¿Cuándo lo vio por última vez?",
                "En el autobús, como a las siete y veinte.",
                "Lo bloqueamos. Apareció debajo de un asiento.",
            ),
        },
        AssetKind.CHROMEBOOK,
        Impact.INDIVIDUAL,
        Urgency.CANNOT_WORK,
    ),
    Problem(
        "account.password",
        Cause.ACCT_PASSWORD,
        Fix.REMOTE_ACCOUNT,
        {
            "en": Words(
                "Cannot sign in",
                "It says the password is wrong, and I am sure it is right.",
                "Did you change it in the last days?",
                "Yes, on Friday.",
                "Reset the password; signed in together.",
            ),
            "es": Words(
                "No puedo entrar a mi cuenta",
                "Dice que la contraseña está mal, y estoy segura de que está bien.",
                "¿La cambió en estos días?",
                "Sí, el viernes.",
                "Restablecimos la contraseña y entramos juntos.",
            ),
        },
        None,
        Impact.INDIVIDUAL,
        Urgency.CANNOT_WORK,
    ),
    Problem(
        "account.password",
        Cause.ACCT_LOCKED,
        Fix.REMOTE_ACCOUNT,
        {
            "en": Words(
                "Account locked after too many tries",
                "The grade book does not let me in.",
                "Is it the grade book only, or the mail too?",
                "Only the grade book.",
                "Unlocked. An old tablet kept trying the old password.",
            )
        },
        None,
        Impact.INDIVIDUAL,
        Urgency.CANNOT_WORK,
    ),
    Problem(
        "account.roster",
        Cause.ACCT_ROSTER,
        Fix.REMOTE_ACCOUNT,
        {
            "en": Words(
                "New pupil is not in my class list",
                "She joined on Monday and has no reading app.",
                "What is her pupil number?",
                "I put it on the office form this morning.",
                "She was in the wrong section. Moved; the apps follow tonight.",
            ),
            "es": Words(
                "Una alumna nueva no aparece en mi lista",
                "Entró el lunes y no tiene la aplicación de lectura.",
                "¿Cuál es su número de alumna?",
                "Lo dejé en la oficina esta mañana.",
                "Estaba en otra sección. Ya la movimos.",
            ),
        },
        kind=Kind.REQUEST,
    ),
    Problem(
        "print.jam",
        Cause.PRINT_JAM,
        Fix.ONSITE_ADJUST,
        {
            "en": Words(
                "Printer jams on every second page",
                "Tray 2. I took out three sheets already.",
                "Which paper is in tray 2?",
                "The thick one for the art class.",
                "Took out a torn sheet behind the roller and set tray 2 to heavy paper.",
            ),
            "es": Words(
                "La impresora se atasca",
                "Bandeja 2. Ya saqué tres hojas.",
                "¿Qué papel hay en la bandeja 2?",
                "El grueso, para la clase de arte.",
                "Saqué un pedazo de papel y ajusté la bandeja 2.",
            ),
        },
        AssetKind.PRINTER,
        Impact.CLASSROOM,
        shared_device=True,
    ),
    Problem(
        "print.toner",
        Cause.PRINT_SUPPLY,
        Fix.ONSITE_REPLACE_PART,
        {
            "en": Words(
                "Copies come out grey",
                "Report cards go home on Thursday.",
                "Does the printer ask for toner?",
                "Yes, for black.",
                "New black toner. One spare is in the office.",
            ),
            "es": Words(
                "Las copias salen grises",
                "El jueves se entregan las boletas.",
                "¿La impresora pide tóner?",
                "Sí, negro.",
                "Cambié el tóner negro. Hay uno de repuesto en la oficina.",
            ),
        },
        AssetKind.PRINTER,
        Impact.SCHOOL,
        shared_device=True,
    ),
    Problem(
        "network.wifi",
        Cause.NET_AP_DOWN,
        Fix.REMOTE_PORT_CYCLE,
        {
            "en": Words(
                "Wi-Fi drops in the whole room",
                "Every few minutes all Chromebooks lose the network.",
                "Do the phones of adults drop too?",
                "Yes, mine does.",
                "The access point hung. Restarted its port; stable since.",
            ),
            "es": Words(
                "Se cae el wifi en todo el salón",
                "Cada pocos minutos todos los Chromebooks pierden la red.",
                "¿También se desconectan los teléfonos?",
                "Sí, el mío también.",
                "El punto de acceso se había trabado. Lo reiniciamos.",
            ),
        },
        AssetKind.ACCESS_POINT,
        Impact.CLASSROOM,
        Urgency.CANNOT_WORK,
        shared_device=True,
    ),
    Problem(
        "network.wifi",
        Cause.NET_WRONG_SSID,
        Fix.SELF_GUIDED,
        {
            "en": Words(
                "My laptop is on the guest network",
                "I cannot print and the grade book is slow.",
                "Can you choose the staff network and sign in again?",
                "Done, and now it prints.",
                "Moved to the staff network, forgot the guest one.",
            )
        },
        AssetKind.LAPTOP,
    ),
    Problem(
        "filter.blocked",
        Cause.FILTER_MIS_CATEGORISED,
        Fix.POLICY_CHANGE,
        {
            "en": Words(
                "Science video is blocked",
                "The page about volcanoes is blocked as “games”.",
                "Can you send the address of the page?",
                "It is in the lesson plan, second link.",
                "Put the site into the right category for all schools.",
            ),
            "es": Words(
                "Un video de ciencias está bloqueado",
                "La página de los volcanes sale bloqueada como “juegos”.",
                "¿Puede mandar la dirección?",
                "Está en el plan de la clase, segundo enlace.",
                "Cambiamos la categoría del sitio para todas las escuelas.",
            ),
        },
        None,
        Impact.CLASSROOM,
        Urgency.WOULD_HELP,
    ),
    Problem(
        "testing",
        Cause.TEST_KIOSK,
        Fix.REMOTE_COMMAND,
        {
            "en": Words(
                "Test app does not start",
                "Six of twenty-eight Chromebooks stay on a white page.",
                "Which tags do the six have?",
                "They are all from cart 2.",
                "The six had an old version of the app. Updated the cart.",
            )
        },
        AssetKind.CHROMEBOOK,
        Impact.CLASSROOM,
        Urgency.CRITICAL_SERVICE_DOWN,
        shared_device=True,
    ),
    Problem(
        "software.update",
        Cause.OS_UPDATE,
        Fix.SELF_RESTART,
        {
            "en": Words(
                "Tablet asks for an update and stops",
                "It says “not enough space” and goes back to the start.",
                "How much space is free?",
                "Less than one gigabyte.",
                "Took off two unused apps; the update went through.",
            ),
            "es": Words(
                "La tableta pide una actualización y se detiene",
                "Dice “sin espacio” y regresa al inicio.",
                "¿Cuánto espacio tiene libre?",
                "Menos de un giga.",
                "Quitamos dos aplicaciones; ya se actualizó.",
            ),
        },
        AssetKind.TABLET,
        shared_device=True,
    ),
    Problem(
        "phone",
        Cause.VOICE_POE,
        Fix.REMOTE_PORT_CYCLE,
        {
            "en": Words(
                "The phone in the room is dark",
                "No light at all since the weekend.",
                "Is the cable in the wall?",
                "Yes, both ends.",
                "The switch port had no power. Turned it on again.",
            )
        },
        AssetKind.PHONE,
        shared_device=True,
    ),
    Problem(
        "device",
        Cause.USER_HOW_TO,
        Fix.INFO_GIVEN,
        {
            "en": Words(
                "Ten Chromebooks for the science fair",
                "For two days, on a cart if possible.",
                "Which two days?",
                "Thursday and Friday of next week.",
                "Cart 4 is reserved for you; the key is in the office.",
            ),
            "es": Words(
                "Diez Chromebooks para la feria de ciencias",
                "Por dos días, en un carrito si se puede.",
                "¿Qué días?",
                "Jueves y viernes de la próxima semana.",
                "El carrito 4 está reservado; la llave está en la oficina.",
            ),
        },
        None,
        Impact.CLASSROOM,
        Urgency.WOULD_HELP,
        Kind.REQUEST,
    ),
]

SAFETY: Final = Problem(
    "safety.concern",
    Cause.OTHER,
    Fix.INFO_GIVEN,
    {
        "en": Words(
            "A message on a pupil's screen worries me",
            "Please call me. I do not want to write more here.",
            "May the counselor call you in the next break?",
            "Yes, at ten.",
            "The counselor has taken over.",
        )
    },
    impact=Impact.INDIVIDUAL,
    urgency=Urgency.CANNOT_WORK,
)

FAULTS: Final = [
    ("network.outage", AssetKind.SWITCH, "does not answer", Cause.NET_SWITCH_PORT, Impact.SCHOOL),
    ("network.wifi", AssetKind.ACCESS_POINT, "is offline", Cause.NET_AP_DOWN, Impact.CLASSROOM),
    ("network.outage", AssetKind.UPS, "runs on battery", Cause.ENV_POWER, Impact.SCHOOL),
    ("print.toner", AssetKind.PRINTER, "has toner below 5 %", Cause.PRINT_SUPPLY, Impact.CLASSROOM),
]
"""What the network monitor reports: category, device, what it says, cause, who is affected."""
