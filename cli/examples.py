"""Three examples for each command's help, by its name."""

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "inpaint": (
            "editkit inpaint photo.jpg mask.png 'a red door'",
            "editkit inpaint photo.jpg 'sky ~grow:8' 'clear evening sky' -o evening.jpg",
            "editkit inpaint photo.jpg mask.png 'a red door' -n 4 --seed 10",
        ),
        "erase": (
            "editkit erase photo.jpg mask.png",
            "editkit erase photo.jpg 'box:10%,60%,30%,90%' --method patchmatch",
            "editkit erase scan.tif scratches.png --method telea -o clean.tif",
        ),
        "outpaint": (
            "editkit outpaint photo.jpg --left 25% --right 25%",
            "editkit outpaint photo.jpg 'a quiet beach' --aspect 16:9",
            "editkit outpaint photo.jpg --size 1024x768 --anchor bottom -o wide.jpg",
        ),
        "img2img": (
            "editkit img2img photo.jpg 'an oil painting' --strength 0.4",
            "editkit img2img photo.jpg 'an oil painting' -m stabilityai/sd-turbo -n 3",
            "editkit img2img - 'winter' < photo.jpg > winter.jpg",
        ),
        "resample": (
            "editkit resample photo.jpg mask.png 'a wooden fence'",
            "editkit resample photo.jpg mask.png --jump 2 --repeats 10",
            "editkit resample photo.jpg 'box:40%,40%,60%,60%' 'grass' -o grass.jpg",
        ),
        "generate": (
            "editkit generate 'a lighthouse at dusk'",
            "editkit generate 'a lighthouse at dusk' --size 640x480 -o lighthouse.png",
            "editkit generate 'a lighthouse at dusk' -n 4 --seed 1 -o lighthouse.png",
        ),
        "composite": (
            "editkit composite original.jpg edited.png -o final.jpg",
            "editkit composite original.jpg edited.png mask.png --made-by person",
            "editkit composite original.jpg edited.png --mask-out changed.png --strict",
        ),
        "mask": (
            "editkit mask photo.jpg 'sky ~grow:8' -o sky.png",
            "editkit mask photo.jpg 'sky - box:0,50%,100%,100%' --preview seen.png",
            "editkit mask photo.jpg 'color:#3060c0,20 ~feather:4' --explain",
        ),
        "verify": (
            "editkit verify original.jpg edited.jpg",
            "editkit verify original.jpg edited.jpg mask.png",
            "editkit verify original.png edited.png mask.png --tolerance 1 --json",
        ),
        "compare": (
            "editkit compare photo.jpg photo.edit.jpg",
            "editkit compare photo.jpg photo.edit.jpg -o changes.html --force",
            "editkit compare photo.jpg photo.edit.jpg --png both.png",
        ),
        "info": (
            "editkit info photo.jpg",
            "editkit info scan.tif --frame 2",
            "editkit info edited.jpg --json",
        ),
        "replay": (
            "editkit replay edited.jpg",
            "editkit replay edited.jpg --original photo.jpg -o again.jpg",
            "editkit replay edited.jpg --root .. --json",
        ),
        "models": (
            "editkit models",
            "editkit models info builtin",
            "editkit models list --json",
        ),
        "completion": (
            "editkit completion bash",
            "editkit completion zsh",
            "editkit completion fish",
        ),
        "batch": (
            "editkit batch erase photos --mask masks",
            "editkit batch inpaint photos --mask sky 'clear sky' -o edited",
            "editkit batch recipe.yaml photos --dry-run",
        ),
        "apply": (
            "editkit apply recipe.yaml photo.jpg",
            "editkit apply recipe.yaml photo.jpg -o edited.jpg --set subject=tree",
            "editkit apply recipe.yaml photo.jpg --table subjects.csv",
        ),
        "recipe": (
            "editkit recipe check recipe.yaml",
            "editkit recipe show recipe.yaml",
            "editkit recipe schema > recipe.schema.json",
        ),
        "report": (
            "editkit report edited",
            "editkit report edited -o report.html --force",
            "editkit report edited --sheet sheet.jpg",
        ),
    }
)
